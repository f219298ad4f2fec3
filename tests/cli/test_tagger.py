"""train, eval, tag and export of a tagger, on a handful of photos."""

import json

import numpy as np
import pytest
from PIL import Image

from minicap.cli import main
from minicap.data import open_tagged
from minicap.formats import read_toml
from minicap.multilabel import Tagger

COLOURS = {"red": (210, 40, 30), "green": (30, 190, 40), "blue": (30, 40, 210)}


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Photos of one, two or three colours, each colour a stripe."""
    folder, rng = tmp_path_factory.mktemp("set") / "photos", np.random.default_rng(0)
    rows = ["photo,labels,split"]
    folder.mkdir()
    for number in range(24):
        colours = [name for name in COLOURS if rng.random() < 0.6] or ["red"]
        stripes = [np.full((30, 20, 3), COLOURS[name]) + rng.normal(0, 9, (30, 20, 3)) for name in colours]
        pixels = np.concatenate(stripes, axis=1).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        rows.append(f"{number}.png,{';'.join(colours)},{('train', 'train', 'val', 'test')[number % 4]}")
    (folder / "labels.csv").write_text("\n".join(rows), "utf-8")
    return folder


def train(photos, run):
    flags = ["--epochs", "3", "--batch-size", "4", "--top", "2"]
    assert main(["train", "tagger", str(photos), "--run", str(run), *flags]) == 0


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"
    train(photos, run)
    return run


def test_without_a_run_the_tagger_in_the_package_answers(capsys):
    photo = next(photo for photo in open_tagged("sample").photos if "horse" in photo.labels)
    assert main(["tag", str(photo.path), "--json"]) == 0
    said = {
        answer["label"]: answer["probability"] for answer in json.loads(capsys.readouterr().out)["labels"]
    }
    assert said.keys() <= set(Tagger.shipped().labels)
    assert said["horse"] > 0.5


def test_a_run_says_what_it_learns_from_and_what_to_do_next(photos, tmp_path, capsys):
    run = tmp_path / "run"
    train(photos, run)
    first, second, *_, score, tag = capsys.readouterr().out.splitlines()
    assert first.startswith("photos: 3 labels, ")
    assert first.endswith("per photo (photos: train 12, val 6, test 6)")
    assert second == "the tagger has 3,843 parameters and knows 3 labels"
    assert (score, tag) == (
        f"Score it: minicap eval {run}",
        f"Tag a photo of your own: minicap tag PHOTO --run {run}",
    )
    assert read_toml(run / "config.toml")["application"] == "tagger"


def test_multilabel_is_another_word_for_it(photos, tmp_path):
    flags = ["--run", str(tmp_path / "other"), "--model", "sequence-to-sequence", "--hidden-size", "8"]
    assert main(["train", "multilabel", str(photos), *flags, "--epochs", "1", "--attention", "true"]) == 0
    settings = read_toml(tmp_path / "other" / "config.toml")
    assert (settings["application"], settings["model"]["attention"]) == ("tagger", True)


def test_a_run_is_resumed_and_scored(photos, tmp_path, capsys):
    run = tmp_path / "run"
    train(photos, run)
    assert main(["train", "--resume", str(run), "--epochs", "5"]) == 0
    capsys.readouterr()
    assert main(["eval", str(run)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "photos test: 6 photos, 3 labels known to the run"
    assert lines[3].split() == ["precision", "recall", "F1"]
    assert [line.split("  ")[0] for line in lines[4:7]] == ["per photo", "per label", "overall"]
    assert lines[7].startswith("mean average precision  ")
    assert lines[9].endswith("F1  average precision")
    assert main(["eval", str(run), "--split", "all", "--beam", "1", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["beam 1"]
    assert set(found["labels"]) == set(COLOURS)
    assert 0 <= found["averages"]["overall"]["f1"] <= 1
    areas = [of_label["average precision"] for of_label in found["labels"].values()]
    assert found["mean average precision"] == pytest.approx(np.mean(areas))


def test_a_model_without_a_beam_is_scored_once(run, capsys):
    assert main(["eval", str(run), "--beam", "1", "3", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)) == ["beam 1"]


def test_hits_and_misses_are_drawn_into_the_run(photos, run, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    assert main(["eval", str(run)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"figures in {run / 'figures'}: tags-test.png, together-test.png"
    assert size_of(run / "figures" / "tags-test.png")[0] > 100
    assert size_of(run / "figures" / "together-test.png")[0] > 100


def size_of(figure):
    with Image.open(figure) as image:
        return image.size


def test_the_labels_of_photos_are_drawn(photos, run, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    sheet = tmp_path / "tags.png"
    two = [str(photos / f"{number}.png") for number in range(2)]
    assert main(["tag", *two, "--run", str(run), "--figure", str(sheet)]) == 0
    assert size_of(sheet)[0] > 100
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert main(["tag", *[str(photos)] * 3, "--run", str(run), "--figure", str(sheet)]) == 2
    assert "--figure takes at most 60 photos at a time" in capsys.readouterr().err
    assert main(["tag", str(photos), "--figure", "tags.txt"]) == 2
    assert "must end in .png" in capsys.readouterr().err


def test_crops_and_word_vectors_are_settings_of_a_run(photos, tmp_path, capsys):
    (tmp_path / "vectors.txt").write_text("red 1 2\ngreen 3 4\n", "utf-8")
    flags = ["--model", "initialized", "--embed-size", "2", "--hidden-size", "4", "--epochs", "1"]
    flags += ["--crops", "1", "--word-vectors", str(tmp_path / "vectors.txt")]
    assert main(["train", "tagger", str(photos), "--run", str(tmp_path / "run"), *flags]) == 0
    assert "2 of the labels start from " in capsys.readouterr().out
    assert read_toml(tmp_path / "run" / "config.toml")["data"]["crops"] == 1
    assert main(["train", "--resume", str(tmp_path / "run"), "--epochs", "2"]) == 0
    assert main(["train", "tagger", str(photos), "--run", str(tmp_path / "bad"), "--crops", "-1"]) == 2
    assert "crops is -1 but must not be negative" in capsys.readouterr().err


def test_photos_are_tagged(photos, run, capsys):
    assert main(["tag", str(photos / "0.png"), "--run", str(run)]) == 0
    said = capsys.readouterr().out.strip().split(", ")
    assert len(said) == 2
    assert main(["tag", str(photos / "0.png"), "--run", str(run), "--json"]) == 0
    labels = json.loads(capsys.readouterr().out)["labels"]
    assert [f"{entry['label']} {entry['probability']:.0%}" for entry in labels] == said


def test_a_bad_photo_is_named_and_the_others_are_tagged(photos, run, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"no photo")
    assert main(["tag", str(photos), str(tmp_path / "broken.png"), "--run", str(run)]) == 1
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 24
    assert "broken.png" in err


def test_an_exported_tagger_works_alone(photos, run, tmp_path, capsys):
    file = tmp_path / "tagger.safetensors"
    assert main(["export", str(run), str(file)]) == 0
    assert f"minicap tag PHOTO --run {file}" in capsys.readouterr().out
    assert main(["tag", str(photos / "1.png"), "--run", str(file)]) == 0
    assert main(["eval", str(file), "--data", str(photos)]) == 0


def test_flags_of_other_applications_are_refused(run, capsys):
    assert main(["eval", str(run), "--baselines"]) == 2
    assert "--baselines is for captioners; " in capsys.readouterr().err
    assert main(["eval", str(run), "--data", "sample"]) == 2
    assert "no label in common" in capsys.readouterr().err
    assert main(["caption", "photo.jpg", "--run", str(run)]) == 2
    assert "'tagger', not a captioner" in capsys.readouterr().err
