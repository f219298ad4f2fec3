import json
import os
import shutil

import pytest

from minicap.cli import main


def test_a_line_for_each_beam_size_and_each_baseline(trained, capsys):
    assert main(["eval", str(trained), "--baselines"]) == 0
    first, words, second, header, *rows = capsys.readouterr().out.splitlines()
    assert first == "tiny test: 1 photos, 2 references per photo"
    assert words.startswith("words as the COCO caption evaluation cuts them")
    assert second == "checkpoint: epoch 2, chosen by loss on val"
    bleu = ["BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4"]
    varied = ["words", "distinct-1", "distinct-2", "novel"]
    assert header.split() == [*bleu, "ROUGE-L", "CIDEr", *varied, "(x100)"]
    names = ["greedy", "beam 3", "nearest photo", "most frequent", "random"]
    assert [row[: len(name)] for row, name in zip(rows, names, strict=True)] == names


def test_json_holds_the_same_systems(trained, capsys):
    assert main(["eval", str(trained), "--beam", "2", "--split", "val", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer) == {"beam 2"}
    assert len(answer["beam 2"]["bleu"]) == 4


def test_captions_are_written_for_others_to_score(trained, tmp_path):
    assert main(["eval", str(trained), "--captions", str(tmp_path / "captions.json")]) == 0
    [entry] = json.loads((tmp_path / "captions.json").read_text(encoding="utf-8"))
    assert entry["image_id"] == 5
    assert isinstance(entry["caption"], str)


def test_every_row_s_captions_are_left_in_the_run(trained, tmp_path, capsys):
    run = tmp_path / "run"
    shutil.copytree(trained, run, ignore=shutil.ignore_patterns("captions"))
    assert main(["eval", str(run), "--beam", "1", "3"]) == 0
    assert main(["eval", str(run), "--temperature", "0.8", "--top-p", "0.9", "--seed", "3"]) == 0
    files = sorted(file.name for file in (run / "captions").iterdir())
    assert files == ["test-beam-3.json", "test-drawn-at-0.8-top-p-0.9.json", "test-greedy.json"]
    [entry] = json.loads((run / "captions" / "test-greedy.json").read_text(encoding="utf-8"))
    assert entry.keys() == {"image_id", "caption"}


def test_diversity_stands_beside_the_scores(trained, capsys):
    assert main(["eval", str(trained), "--beam", "1", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out).values()
    assert row["words"] >= 1
    assert 0 <= row["distinct-2"] <= 1
    assert row["novel"] in (0.0, 1.0)


def test_metrics_that_need_java_say_so_before_any_work(trained, refused, monkeypatch):
    monkeypatch.setenv("PATH", "")
    for metric in ("METEOR", "SPICE"):
        assert f"{metric} needs" in refused("eval", trained, f"--{metric.lower()}")


def test_the_last_checkpoint_is_not_called_chosen(trained, tiny_data, capsys):
    last = trained / "checkpoints" / "last.safetensors"
    assert main(["eval", str(last), "--data", str(tiny_data), "--beam", "1"]) == 0
    assert "checkpoint: epoch 2\n" in capsys.readouterr().out


def test_a_checkpoint_finds_the_data_of_its_run(trained, capsys):
    assert main(["eval", str(trained / "checkpoints" / "best.safetensors"), "--beam", "1"]) == 0
    assert "tiny test: 1 photos" in capsys.readouterr().out


def test_a_checkpoint_that_lies_in_no_run_needs_to_be_told_its_data(
    trained, tiny_data, tmp_path, refused, capsys
):
    alone = shutil.copy(trained / "checkpoints" / "best.safetensors", tmp_path)
    assert "name the data set to score on: --data DATA" in refused("eval", alone)
    assert main(["eval", str(alone), "--data", str(tiny_data), "--beam", "1"]) == 0


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--split", "dev"], "there is no split 'dev'; the splits are train, val, test"),
        (["--data", "nowhere"], "there is no such file or folder"),
        (["--captions", "no/such/folder.json"], "cannot write no/such/folder.json"),
        (["--beam", "3", "--temperature", "1"], "leave out beam and groups"),
        (["--top-p", "0.5"], "give a temperature"),
    ],
)
def test_bad_flags_are_refused(trained, refused, flags, message):
    assert message in refused("eval", trained, *flags)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--beam", "0"], "argument --beam: 0 is not in 1..100"),
        (["--beam", "1", "1000000000"], "argument --beam: 1000000000 is not in 1..100"),
        (["--length-power", "nan"], "argument --length-power: nan is not in -10..10"),
        (["--data", ""], "argument --data: an empty path"),
        (["--captions", "a" * 5000], "cannot be a path: File name too long"),
    ],
)
def test_values_out_of_range_are_refused(trained, misused, flags, message):
    assert message in misused("eval", trained, *flags)


def test_photos_outside_the_folder_need_a_flag(trained, tiny_data, tmp_path, refused, capsys):
    (tmp_path / "data").mkdir()
    photo = os.path.relpath(tiny_data / "images" / "5.jpg", tmp_path / "data")
    (tmp_path / "data" / "captions.csv").write_text(f"photo,caption,split\n{photo},a dog,test\n")
    command = ["eval", str(trained), "--data", str(tmp_path / "data"), "--beam", "1"]
    assert "outside = true" in refused(*command)
    assert main([*command, "--outside"]) == 0
    assert "data test: 1 photos" in capsys.readouterr().out


def test_control_characters_in_the_name_of_a_data_set_do_not_reach_the_terminal(
    trained, tiny_data, tmp_path, capsys
):
    try:
        shutil.copytree(tiny_data, tmp_path / "a\x1b[2J")
    except OSError:
        pytest.skip("this system has no such names")
    assert main(["eval", str(trained), "--data", str(tmp_path / "a\x1b[2J"), "--beam", "1"]) == 0
    assert "\x1b" not in capsys.readouterr().out


def test_a_folder_that_is_no_run_is_refused(tmp_path, refused):
    assert "is not a run folder" in refused("eval", tmp_path)
