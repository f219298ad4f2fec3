import json
import shutil

import numpy as np
import pytest
from cli.photos import make_bad, make_good, picture

from minicap.captioning import (
    AttendAndTellConfig,
    Captioner,
    ShowAndTellConfig,
    SqueezeNetEncoder,
    Vocabulary,
)
from minicap.cli import main
from minicap.formats import load_checkpoint, save_checkpoint


@pytest.fixture
def photo(tmp_path):
    picture((320, 240)).save(tmp_path / "photo.jpg")
    return tmp_path / "photo.jpg"


def test_one_photo_gives_one_sentence(trained, photo, capsys):
    assert main(["caption", str(photo), "--run", str(trained)]) == 0
    [line] = capsys.readouterr().out.splitlines()
    assert set(line.split()) <= set(Captioner.load(trained).vocabulary.words)


def test_several_photos_are_named(trained, photo, tmp_path, capsys):
    photos = [photo, *make_good(tmp_path).values()]
    assert main(["caption", "--run", str(trained), *map(str, photos)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(": ")[0] for line in lines] == [str(path) for path in photos]


def test_json_has_a_line_a_photo_and_probabilities_in_order(trained, photo, capsys):
    assert main(["caption", str(photo), str(photo), "--run", str(trained), "--json", "--all"]) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == second
    assert first["photo"] == str(photo)
    probabilities = [c["probability"] for c in first["captions"] if c["finished"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0 < p < 1 for p in probabilities)


def test_one_caption_without_all_and_the_beam_with_it(trained, photo, capsys):
    for flags, count in (([], 1), (["--all"], 4)):
        assert main(["caption", str(photo), "--run", str(trained), "--json", "--beam", "4", *flags]) == 0
        assert len(json.loads(capsys.readouterr().out)["captions"]) == count


def test_drawn_captions_follow_the_seed(trained, photo, capsys):
    def draw(seed):
        argv = ["caption", str(photo), "--run", str(trained), "--temperature", "1", "--seed", str(seed)]
        assert main(argv) == 0
        return capsys.readouterr().out

    assert draw(1) == draw(1)
    assert len({draw(seed) for seed in range(5)}) > 1


def test_a_checkpoint_serves_as_well_as_its_run(trained, photo, capsys):
    for run in (trained, trained / "checkpoints" / "best.safetensors"):
        assert main(["caption", str(photo), "--run", str(run)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second


def test_bad_photos_are_named_at_the_end_and_the_others_captioned(trained, photo, tmp_path, capsys):
    bad = make_bad(tmp_path / "bad")
    paths = [path for path, _ in bad.values()]
    assert main(["caption", *map(str, [*paths[:3], photo, *paths[3:]]), "--run", str(trained)]) == 1
    out, err = capsys.readouterr()
    assert out.count("\n") == 1
    assert out.startswith(f"{photo}: ")
    assert all(f"minicap: {path}: {message}" in err for path, message in bad.values())
    assert err.endswith(f"minicap: {len(bad)} of {len(bad) + 1} photos could not be used\n")


def test_a_photo_that_is_bad_and_alone_is_refused(trained, tmp_path, refused):
    for path, message in make_bad(tmp_path / "bad").values():
        assert refused("caption", path, "--run", trained).startswith(f"minicap: {path}: {message}")


def test_a_folder_is_captioned_in_order(trained, tiny_data, capsys):
    assert main(["caption", str(tiny_data), "--run", str(trained)]) == 0
    names = [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert names == [str(tiny_data / "images" / f"{number}.jpg") for number in range(6)]


def test_control_characters_in_a_name_do_not_reach_the_terminal(trained, photo, tmp_path, capsys):
    hostile = tmp_path / "a\x1b[2J.jpg"
    try:
        hostile.write_bytes(photo.read_bytes())
    except OSError:
        pytest.skip("this system has no such names")
    assert main(["caption", str(hostile), str(photo), "--run", str(trained)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert r"a\x1b[2J.jpg: " in out


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beam", "3", "--temperature", "1"], "leave out beam and groups"),
        (["--top-k", "5"], "top_k and top_p are for captions drawn at random; give a temperature"),
        (["--groups", "2"], "a beam of 3 cannot be shared by 2 groups"),
    ],
)
def test_ways_of_decoding_that_contradict_each_other_are_refused(photo, refused, flags, message):
    assert message in refused("caption", photo, *flags)


def test_a_diverse_search_and_a_nucleus_are_flags(trained, photo, capsys):
    for flags in (["--beam", "4", "--groups", "2"], ["--temperature", "1", "--top-p", "0.9", "--top-k", "5"]):
        assert main(["caption", str(photo), "--run", str(trained), "--no-repeats", "3", *flags]) == 0
        assert capsys.readouterr().out.strip()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beam", "0"], "argument --beam: 0 is not in 1..100"),
        (["--beam", "1000000000"], "argument --beam: 1000000000 is not in 1..100"),
        (["--beam", "9" * 5000], "is not a whole number"),
        (["--temperature", "-1"], "argument --temperature: -1 is not in 0..1000"),
        (["--temperature", "nan"], "argument --temperature: nan is not in 0..1000"),
        (["--seed", "-1"], "argument --seed: -1 is not in 0..9223372036854775807"),
        (["--run", ""], "argument --run: an empty path; name a file or folder"),
        (["--run", "a" * 5000], "cannot be a path: File name too long"),
    ],
)
def test_values_out_of_range_are_refused(photo, misused, flags, message):
    assert message in misused("caption", photo, *flags)


def test_a_run_that_is_none_is_refused(photo, tmp_path, refused):
    assert f"{tmp_path} is not a run folder" in refused("caption", photo, "--run", tmp_path)
    assert "there is no such file" in refused("caption", photo, "--run", tmp_path / "no.safetensors")
    assert "photo.jpg" in refused("caption", photo, "--run", photo)


def test_a_corrupt_checkpoint_is_refused(trained, photo, tmp_path, refused):
    whole = (trained / "checkpoints" / "best.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    message = refused("caption", photo, "--run", tmp_path / "cut.safetensors")
    assert "cut.safetensors: truncated" in message


def test_weights_of_something_else_are_refused(photo, refused, shipped_weights):
    message = refused("caption", photo, "--run", shipped_weights)
    assert "is a safetensors file but not a minicap checkpoint" in message


@pytest.fixture
def shipped_weights(tmp_path):
    from importlib import resources

    with resources.as_file(resources.files("minicap.models") / "weights/squeezenet1_1.safetensors") as path:
        shutil.copy(path, tmp_path / "squeezenet.safetensors")
    return tmp_path / "squeezenet.safetensors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "classifier"}, "holds 'classifier', not a captioner"),
        (
            {"encoder": {"name": "squeezenet"}},
            "unknown encoder 'squeezenet' (did you mean",
        ),
        ({"encoder": "resnet9000"}, "changed.safetensors"),
        (
            {"model": {"name": "show-and-sing"}},
            "unknown model 'show-and-sing' (did you mean",
        ),
        (
            {"model": {"name": "show-and-tell", "cell": "gru", "embed_size": 8, "hidden_size": 12}},
            "does not fit its own",
        ),
        ({"model": {"name": "show-and-tell", "cells": 3}}, 'unknown key "cells" (did you mean "cell"?)'),
        ({"model": []}, "changed.safetensors"),
        ({"vocabulary": {"words": ["a"], "counts": [1]}}, "the vocabulary of this checkpoint is damaged"),
        ({"max_words": "many"}, "changed.safetensors"),
        ({"preprocess": "{}"}, "is missing"),
    ],
)
def test_a_checkpoint_that_contradicts_itself_is_refused(trained, photo, tmp_path, refused, change, message):
    checkpoint = load_checkpoint(trained / "checkpoints" / "best.safetensors")
    changed = tmp_path / "changed.safetensors"
    save_checkpoint(changed, checkpoint._replace(about=checkpoint.about | change))
    assert message in refused("caption", photo, "--run", changed)


def test_an_empty_caption_is_never_the_answer(trained):
    """Not even of a captioner that would end every caption at once."""
    captioner = Captioner.load(trained)
    arrays = {name: np.array(array) for name, array in captioner.model.params.items()}
    arrays["out_b"][captioner.vocabulary.end] = 1000
    captioner.model.load(arrays | captioner.model.state)
    features = np.ones((2, 1024), np.float32)
    for options in ({"beam": 1}, {"beam": 3}, {"temperature": 1.0}):
        assert all(len(caption.split()) == 1 for caption in captioner.captions(features, **options))


def test_a_figure_shows_where_a_captioner_with_attention_looked(photo, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    words = Vocabulary.build([["a", "dog"]])
    captioner = Captioner.create(SqueezeNetEncoder(), words, AttendAndTellConfig(4, 5, 3), max_words=4)
    captioner.model.initialize(seed=0)
    captioner.save(tmp_path / "looks.safetensors", np.float32)
    figure, run = tmp_path / "figure.png", ["--run", str(tmp_path / "looks.safetensors")]
    assert main(["caption", str(photo), *run, "--figure", str(figure)]) == 0
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert main(["caption", str(photo), str(photo), *run, "--figure", str(figure)]) == 2
    assert "--figure takes one photo at a time" in capsys.readouterr().err


def test_a_figure_of_a_captioner_without_attention_hides_parts_of_the_photo(photo, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    words = Vocabulary.build([["a", "dog"]])
    captioner = Captioner.create(SqueezeNetEncoder(), words, ShowAndTellConfig(), max_words=4)
    captioner.model.initialize(seed=0)
    captioner.save(tmp_path / "says.safetensors")
    figure, run = tmp_path / "figure.png", ["--run", str(tmp_path / "says.safetensors")]
    assert main(["caption", str(photo), *run, "--figure", str(figure)]) == 0
    assert figure.read_bytes().startswith(b"\x89PNG")
