"""Hostile and wrong submissions fail closed: no points, a clear message, and no process left behind."""

import os
import socket
import time
from pathlib import Path

import pytest
from hostile_submissions import HOSTILE

from minicap.assignments import archive
from minicap.assignments.submission import wanted
from minicap.assignments.teacher import grading, sandbox
from minicap.assignments.teacher.solution import ROOT

# The others take seconds each, most of them until a limit.
IN_SHORT = {
    "a pickle",
    "a process left behind",
    "another judge",
    "exit at once",
    "read the reference",
    "the network of this machine",
    "write to the grader's files",
}
ACTIVATIONS = "minicap/layers/activations.py"


@pytest.fixture
def marked(monkeypatch):
    """Processes of this test's sandboxes carry a mark; returns how many there are."""
    mark = f"MINICAP_MARK=test{os.getpid()}{time.monotonic_ns()}"
    plain = sandbox.variables

    def variables(*args):
        return plain(*args) | dict([mark.split("=")])

    monkeypatch.setattr(sandbox, "variables", variables)

    def count() -> int:
        found = 0
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                found += mark.encode() in (folder / "environ").read_bytes()
            except OSError:
                continue
        return found

    return count


@pytest.fixture
def listening():
    """A port of this machine that answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize(
    "name", [n if n in IN_SHORT else pytest.param(n, marks=pytest.mark.slow) for n in HOSTILE]
)
def test_a_hostile_submission_gets_nothing_and_leaves_nothing(name, grade, marked, listening, tmp_path):
    words, body = HOSTILE[name]
    mark = tmp_path / "mark"
    mark.write_text("whole", encoding="utf-8")
    body = body.replace("{{", "{").replace("}}", "}")
    for key, value in (("{root}", ROOT), ("{mark}", mark), ("{port}", listening)):
        body = body.replace(key, str(value))
    scores, said = grade(relu_backward=body)
    assert scores == {"relu_backward": 0, "affine_backward": 0}
    assert words in said, said
    assert said, "it must say what is wrong"
    assert mark.read_text(encoding="utf-8") == "whole"
    assert not list(tmp_path.rglob("results.json"))
    deadline = time.monotonic() + 5  # the kernel may take a moment to end a namespace
    while marked() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marked() == 0


@pytest.mark.skipif(getattr(os, "getuid", lambda: 1)() != 0, reason="the kernel counts for all but root")
def test_a_fork_bomb_in_a_grading_of_root_s_ends_long_before_its_time_limit(grade):
    scores, said = grade(relu_backward=HOSTILE["processes"][1])
    assert scores["relu_backward"] == 0
    assert "more than 64 processes" in said
    assert "time limit" not in said


def test_there_are_more_than_thirty_of_them():
    assert len(HOSTILE) >= 30


def test_a_right_submission_gets_everything(grade):
    assert grade(relu_backward="right", affine_backward="right") == (
        {"relu_backward": 6, "affine_backward": 10},
        "",
    )


def test_a_broken_file_costs_its_own_exercises_only(grade):
    scores, said = grade(relu_backward="return (", affine_backward="right")
    assert scores == {"relu_backward": 0, "affine_backward": 10}
    assert "SyntaxError" in said


@pytest.mark.slow
@pytest.mark.parametrize("line", ["while True: pass", "import os; os._exit(0)", "raise RuntimeError('no')"])
def test_a_file_that_cannot_be_imported_costs_its_own_exercises_only(grade, files, line, monkeypatch):
    monkeypatch.setattr(sandbox, "START", 5.0)
    hostile = files[ACTIVATIONS] + f"\n{line}\n".encode()
    scores, said = grade(affine_backward="right", changes={ACTIVATIONS: hostile})
    assert scores == {"relu_backward": 0, "affine_backward": 10}
    assert said


def test_a_missing_file_is_named(grade):
    scores, said = grade(affine_backward="right", changes={ACTIVATIONS: None})
    assert scores == {"relu_backward": 0, "affine_backward": 10}
    assert "activations.py is missing" in said


@pytest.mark.parametrize("data", [b"\xff\xfe\x00", b"x = '\xe9'\n", b"\x00"], ids=repr)
def test_a_file_that_is_no_text_gets_nothing(grade, data):
    scores, said = grade(changes={ACTIVATIONS: data})
    assert scores["relu_backward"] == 0
    assert "Error" in said


def test_windows_line_ends_and_names_of_any_language_are_fine(grade, files, submission, place):
    right = "# größer als null\nпозитив = cache.x > 0\nreturn dout * позитив"
    path = submission(relu_backward=right)
    text = archive.read(path, wanted(place.assignment))[ACTIVATIONS].replace(b"\n", b"\r\n")
    assert grade(changes={ACTIVATIONS: b"\xef\xbb\xbf" + text})[0]["relu_backward"] == 6


def test_writing_into_the_arguments_costs_the_points(grade):
    scores, said = grade(relu_backward="dout *= cache.x > 0\nreturn dout")
    assert scores["relu_backward"] == 0
    assert "wrote into dout" in said


def test_the_right_numbers_in_the_wrong_dtype_lose_most(grade):
    scores, said = grade(relu_backward="return (dout * (cache.x > 0)).astype(np.float32)")
    assert 0 < scores["relu_backward"] <= 3
    assert "dx is float32, expected float64" in said


@pytest.mark.slow
def test_numeric_gradients_instead_of_a_backward_meet_the_time_limit(grade):
    body = """
def numeric(array):
    slopes = np.zeros_like(array)
    for at in np.ndindex(array.shape):
        moved = array.copy()
        for sign in (1, -1):
            moved[at] = array[at] + sign * 1e-6
            given = [moved if given is array else given for given in (x, w)]
            slopes[at] += sign * ((given[0].reshape(len(x), -1) @ given[1]) * dout).sum() / 2e-6
    return slopes
return numeric(x), numeric(w), dout.sum(axis=0)"""
    scores, said = grade(affine_backward=body)
    assert scores["affine_backward"] < 10
    assert "a gradient measured numerically takes that long" in said


def test_an_archive_that_cannot_be_used_is_told_and_graded_zero(place, tmp_path):
    bad = tmp_path / "bad.zip"
    bad.write_bytes(b"PK\x03\x04")
    record = grading.grade(bad, place)
    assert record["score"] == 0
    assert "not a zip" in record["problem"]
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "none of the files" in grading.grade(empty, place)["problem"]
