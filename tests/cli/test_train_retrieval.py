import json

import pytest

from minicap.cli import main

SMALL = ["--epochs", "2", "--batch-size", "4", "--embed-size", "8", "--space-size", "12", "--min-count", "1"]


@pytest.fixture(scope="module")
def matched(tmp_path_factory, tiny_data):
    run = tmp_path_factory.mktemp("matched") / "run"
    assert main(["train", "retrieval", str(tiny_data), "--run", str(run), *SMALL]) == 0
    return run


def test_a_run_is_scored_both_ways_and_by_the_captions_it_finds(matched, capsys):
    assert main(["eval", str(matched)]) == 0
    out = capsys.readouterr().out
    assert "tiny test: 1 photos, 2 sentences" in out
    [found] = [line.split() for line in out.splitlines() if line.startswith("finds sentences")]
    assert found[2:] == ["100.0", "100.0", "100.0", "1"]  # of one photo
    assert "nearest sentence" in out
    assert "nearest photo" in out
    assert main(["eval", str(matched), "--json", "--split", "val"]) == 0
    assert {"sentence_r1", "image_median_rank"} <= json.loads(capsys.readouterr().out)["retrieval"].keys()


def test_a_sentence_finds_photos(matched, tiny_data, capsys):
    search = ["search", "A red circle.", str(tiny_data), "--run", str(matched)]
    assert main([*search, "--top", "3"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert len(lines) == 3
    similarities = [float(similarity) for similarity, _ in lines]
    assert similarities == sorted(similarities, reverse=True)
    assert main([*search, "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0]).keys() == {"photo", "similarity"}


def test_a_run_goes_on(matched, capsys):
    assert main(["train", "--resume", str(matched), "--epochs", "3"]) == 0
    assert "mean_recall" in capsys.readouterr().out


def test_what_is_for_captioners_is_refused(matched, trained, tiny_data, tmp_path, refused):
    assert f"--beam is for captioners; {matched} holds a ranking model" in refused(
        "eval", matched, "--beam", 3
    )
    assert "holds 'captioner', not a ranking model" in refused("search", "a", tiny_data, "--run", trained)
    assert "say what to train on" in refused("train", "retrieval", "--run", tmp_path / "run")
