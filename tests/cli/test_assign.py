import json
import subprocess
import sys
import zipfile

import pytest
from solving_assignments import environment, unpack

from minicap.assignments import archive, manifest
from minicap.assignments.teacher.handout import make
from minicap.assignments.teacher.solution import put, solved
from minicap.cli import main


@pytest.fixture(scope="module")
def files():
    return make(manifest.find("a2")).files


@pytest.fixture
def a2():
    return manifest.find("a2")


@pytest.fixture
def in_handout(tmp_path):
    """Run minicap in a folder with these files; returns exit code and output."""

    def run(files, *words):
        folder = tmp_path / "handout"
        if not folder.exists():
            unpack(files, folder)
        done = subprocess.run(
            [sys.executable, "-m", "minicap", *words],
            cwd=folder,
            env=environment(folder),
            capture_output=True,
            encoding="utf-8",
        )
        return done.returncode, done.stdout + done.stderr

    return run


def test_a_handout_is_built_as_a_zip_that_is_the_same_every_time(files, tmp_path, capsys):
    assert main(["assign", "build", "a2", "-o", str(tmp_path / "one.zip")]) == 0
    archive.write(files, tmp_path / "other.zip", "minicap-a2")
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()
    assert "14 exercises, 100 points" in capsys.readouterr().out


def test_a_check_tells_the_exercise_from_a_breakage(files, in_handout):
    code, out = in_handout(files, "assign", "check", "max_pool")
    assert code == 1
    assert "that is the exercise" in out.splitlines()[0]
    assert "[ ] max_pool_forward" in out
    assert "minicap assign hint max_pool_forward" in out


def test_a_check_explains_the_first_failure_with_its_place(files, a2, in_handout):
    wrong = {"dropout_backward": "return dout * cache.keep if cache.keep is not None else dout"}
    written = solved(files, a2, ["dropout_forward", "dropout_backward"], wrong)
    code, out = in_handout(written, "assign", "check", "dropout")
    assert code == 1
    assert "[x] dropout_forward" in out
    assert "dout is not scaled by 1 / (1 - rate)" in out
    assert "minicap/layers/dropout.py:" in out
    assert in_handout(written, "assign", "progress")[1].rstrip().endswith("4 of 100 points")
    assert "im2col" in in_handout(written, "assign", "next")[1]


def test_a_file_that_python_cannot_read_is_told_with_its_line(files, a2, in_handout):
    broken = dict(files)
    exercise = a2.exercise("conv_forward")
    broken[exercise.file] = put(files[exercise.file].decode(), exercise, "out = (1,").encode()
    code, out = in_handout(broken, "assign", "check", "conv_forward")
    assert code == 1
    assert "SyntaxError" in out
    assert "minicap/layers/conv.py:" in out


@pytest.mark.slow
def test_an_endless_loop_ends(files, a2, in_handout):
    body = {"avg_pool_backward": "while True:\n    pass"}
    code, out = in_handout(solved(files, a2, ["avg_pool_backward"], body), "assign", "check", "avg_pool_back")
    assert code == 1
    assert "time limit" in out


def test_a_hint_names_the_file(files, in_handout):
    code, out = in_handout(files, "assign", "hint", "conv_b")
    assert code == 0
    assert "affine layer again" in out
    assert "conv.py" in out


def test_an_incomplete_submission_is_refused_unless_told_so(files, a2, in_handout, tmp_path):
    written = solved(files, a2, ["im2col"])
    code, out = in_handout(written, "assign", "submit")
    assert code == 2
    assert "col2im, conv_forward" in out
    code, out = in_handout(written, "assign", "submit", "--incomplete", "-o", "mine.zip")
    assert code == 0, out
    names = zipfile.ZipFile(tmp_path / "handout/mine.zip").namelist()
    assert "minicap/arrays/columns.py" in names
    assert not [name for name in names if "affine" in name]


def test_progress_that_cannot_be_read_starts_anew(files, in_handout, tmp_path):
    in_handout(files, "assign", "progress")
    noted = tmp_path / "handout/assignments/a2/.progress.json"
    noted.write_text(json.dumps({"passed": 3}), encoding="utf-8")
    assert "0 of 100" in in_handout(files, "assign", "progress")[1]


def test_outside_of_a_handout_there_is_nothing_to_check(capsys):
    assert main(["assign", "check", "a2"]) == 2
    assert "minicap assign build a2" in capsys.readouterr().err
