"""Layers from outside the package: added, checked, mutated, and named on the command line."""

import argparse

import numpy as np
import pytest

from minicap.cli import gradcheck
from minicap.errors import InputError
from minicap.gradcheck import add_layer, case, library, run_checks
from minicap.gradcheck.case import CASES
from minicap.gradcheck.mutants import run_mutants

FILE = """
import numpy as np
from minicap.gradcheck import add_layer, case

def cube_forward(x):
    return x**3, x

def cube_backward(dout, x):
    return {factor} * dout * x**2

add_layer(cube_forward, cube_backward)

@case("cube")
def cube(rng):
    return dict(x=rng.normal(size=(4, 5)))
"""


@pytest.fixture(autouse=True)
def _leave_no_layer_behind(monkeypatch):
    monkeypatch.setattr(library, "_ADDED", {})
    before = library.load_cases()
    yield
    CASES[:] = before


@pytest.fixture
def own(tmp_path):
    def write(factor: str):
        path = tmp_path / "own.py"
        path.write_text(FILE.format(factor=factor), encoding="utf-8")
        return path

    return write


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    gradcheck.add_arguments(parser)
    return gradcheck.run(parser.parse_args(words))


def test_an_added_pair_is_checked_and_mutated_like_the_librarys():
    add_layer(lambda x: (np.sin(x), x), lambda dout, x: dout * np.cos(x), name="sine")

    @case("sine")
    def sine(rng):
        return dict(x=rng.normal(size=(4, 5)))

    assert run_checks(["sine"]).passed
    tally = run_mutants(["sine"])
    assert tally.passed
    assert tally.layers == {"sine"}


def test_an_added_loss_needs_no_backward():
    def energy_loss(x):
        return (x**2).sum(), 2 * x

    add_layer(energy_loss)
    case("energy_loss")(lambda rng: dict(x=rng.normal(size=(4, 5))))
    (row,) = run_checks(["energy_loss"])
    assert row.passed


def test_an_added_layer_without_a_case_fails():
    add_layer(lambda x: (x, None), lambda dout, _: dout, name="own")
    assert run_checks(["own"])[0].verdict == "has no gradient-check case"


def test_a_name_that_is_taken_is_refused():
    with pytest.raises(InputError, match="there is already a layer 'conv'"):
        add_layer(lambda x: x, lambda d: d, name="conv")


def test_a_file_is_checked_from_the_command_line(own, capsys):
    assert run("--file", str(own("3"))) == 0
    assert "1 layer, 1 case, 1 gradient (20 entries); all ok" in capsys.readouterr().out


def test_a_wrong_layer_in_a_file_fails(own, capsys):
    assert run("--file", str(own("2"))) == 1
    assert "dx is 0.666667 times what it should be" in capsys.readouterr().out


def test_a_file_can_be_mutated_and_listed(own, capsys):
    assert run("--file", str(own("3")), "--mutants") == 0
    assert "0 survived" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1 / 0", r"own.py cannot be run: ZeroDivisionError: division by zero \(own.py, line 1\)"),
        ("x = 1", "own.py adds no layer; call minicap.gradcheck.add_layer in it"),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error(tmp_path, text, message):
    (tmp_path / "own.py").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        run("--file", str(tmp_path / "own.py"))


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"gone\.py cannot be run: FileNotFoundError"):
        run("--file", str(tmp_path / "gone.py"))
    with pytest.raises(InputError, match=r"its name must end in \.py"):
        run("--file", str(tmp_path / "own.txt"))
