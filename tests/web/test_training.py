"""A training followed from the files it writes."""

import json

import pytest

from minicap.web.limits import Limits
from minicap.web.refusal import Refusal
from minicap.web.runs import Run, Runs
from minicap.web.training import Curves, Followed, sample_photo


def written(path, *records, mode="w"):
    with open(path, mode, encoding="utf-8") as file:
        file.write("".join(json.dumps(record) + "\n" for record in records))


def step(number, loss):
    return {"step": number, "epoch": 1, "loss": loss}


def epoch(number, loss):
    return {"step": 10 * number, "epoch": number, "train_loss": loss}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "metrics.jsonl").touch()
    return Run("mine", tmp_path, "", "")


def test_curves_grow_with_the_file(tmp_path):
    path, curves = tmp_path / "metrics.jsonl", Curves()
    written(path, step(1, 3.0), step(2, 2.0), epoch(1, 2.5))
    curves.read_on(path)
    written(path, step(3, 1.0), mode="a")
    curves.read_on(path)
    curves.read_on(path)
    assert curves.steps == [(1, 3.0), (2, 2.0), (3, 1.0)]
    assert [record["train_loss"] for record in curves.epochs] == [2.5]


def test_a_line_that_is_being_written_is_read_when_it_is_whole(tmp_path):
    path, curves = tmp_path / "metrics.jsonl", Curves()
    written(path, step(1, 3.0))
    with open(path, "a", encoding="utf-8") as file:
        file.write('{"step": 2, "lo')
    curves.read_on(path)
    assert len(curves.steps) == 1
    with open(path, "a", encoding="utf-8") as file:
        file.write('ss": 2.0}\n')
    curves.read_on(path)
    assert curves.steps == [(1, 3.0), (2, 2.0)]


def test_a_resumed_run_is_read_from_the_beginning(tmp_path):
    path, curves = tmp_path / "metrics.jsonl", Curves()
    written(path, step(1, 3.0), step(2, 2.0))
    curves.read_on(path)
    written(path, step(1, 3.0))  # what came after the checkpoint is forgotten
    curves.read_on(path)
    assert curves.steps == [(1, 3.0)]


def test_lines_that_are_no_records_are_passed_over(tmp_path):
    path, curves = tmp_path / "metrics.jsonl", Curves()
    path.write_bytes(b'\xff\xfe\n[]\n{"loss": 1}\n{"step": "a"}\n\n{"step": 4, "loss": "x"}\n{"step": 5}\n')
    written(path, step(6, 1.0), mode="a")
    curves.read_on(path)
    assert curves.steps == [(6, 1.0)]


def test_numbers_that_json_lacks_become_null(run):
    written(run.folder / "metrics.jsonl", step(1, float("nan")), epoch(1, float("inf")))
    found = Followed().progress(run, 10)
    assert found["steps"] == [(1, None)]
    assert found["epochs"][0]["train_loss"] is None
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize(
    ("count", "most", "points"), [(0, 4, 0), (3, 4, 3), (4, 4, 4), (5, 4, 3), (1000, 4, 4)]
)
def test_a_long_curve_is_thinned_to_means(count, most, points):
    curves = Curves(steps=[(n, float(n)) for n in range(1, count + 1)])
    thinned = curves.thinned(most)
    assert len(thinned) == points
    if count == 5:
        assert thinned == [(2, 1.5), (4, 3.5), (5, 5.0)]


def test_a_run_says_how_far_it_is_and_what_it_said_about_the_same_photos(runs_folder):
    run = Runs(folder=runs_folder).find("mine")
    found = Followed().progress(run, Limits().steps)
    assert found["of_epochs"] == 2
    assert [record["epoch"] for record in found["epochs"]] == [1, 2]
    assert all("validation_loss" in record for record in found["epochs"])
    assert found["samples"]["humans"] == [["A green circle on white.", "One circle in green."]]
    assert [entry["epoch"] for entry in found["samples"]["captions"]] == [1, 2]
    assert sample_photo(run, 0).startswith(b"\xff\xd8")


def test_a_run_of_another_kind_has_curves_but_no_samples(run):
    written(run.folder / "metrics.jsonl", epoch(1, 2.0))
    found = Followed().progress(run, 10)
    assert found["samples"] == {"humans": [], "captions": []}
    assert found["of_epochs"] is None
    with pytest.raises(Refusal, match="no sample photo 0"):
        sample_photo(run, 0)


def test_what_is_no_run_folder_has_nothing_to_follow():
    with pytest.raises(Refusal, match="no metrics") as refusal:
        Followed().progress(Runs().find("shipped"), 10)
    assert refusal.value.status == 404


def test_files_that_cannot_be_read_are_refused_without_their_path(run, tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "humans.json").write_text("{", encoding="utf-8")
    with pytest.raises(Refusal, match="mine cannot be read") as refusal:
        Followed().progress(run, 10)
    assert str(tmp_path) not in str(refusal.value)


def test_only_the_runs_followed_last_are_remembered(tmp_path):
    followed = Followed()
    for number in range(20):
        folder = tmp_path / str(number)
        folder.mkdir()
        written(folder / "metrics.jsonl", epoch(1, 2.0))
        followed.progress(Run(str(number), folder, "", ""), 10)
    assert len(followed._curves) == 16
    assert "19" in followed._curves
