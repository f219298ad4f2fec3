"""What the notebooks of the assignments must be; tools/notebooks runs them."""

import ast
import json

import pytest

from minicap.assignments import manifest
from minicap.assignments.teacher.solution import solution
from tools.notebooks.assignment import BOOKS, run_assignment
from tools.notebooks.running import code_of

each_book = pytest.mark.parametrize("name", BOOKS)


@each_book
def test_a_notebook_opens_anywhere(name):
    book = json.loads(BOOKS[name].read_text(encoding="utf-8"))
    assert (book["nbformat"], book["metadata"]["kernelspec"]["name"]) == (4, "python3")
    assert len({cell["id"] for cell in book["cells"]}) == len(book["cells"])
    ast.parse(code_of(BOOKS[name]))  # plain Python: no magics


@each_book
def test_a_notebook_goes_without_outputs(name):
    cells = json.loads(BOOKS[name].read_text(encoding="utf-8"))["cells"]
    assert all(not c["outputs"] and c["execution_count"] is None for c in cells if c["cell_type"] == "code")


@each_book
def test_a_notebook_checks_every_exercise_and_asks(name):
    text = BOOKS[name].read_text(encoding="utf-8")
    words = [node.args for node in ast.walk(ast.parse(code_of(BOOKS[name]))) if is_check(node)]
    begun = tuple(word.value for args in words for word in args)
    assert [e.id for e in manifest.find(name).exercises if not e.id.startswith(begun)] == []
    assert text.count("**Question") >= 4
    assert "Open end" in text


@each_book
def test_a_notebook_holds_no_solution(name):
    code = " ".join(code_of(BOOKS[name]).split())
    for exercise in manifest.find(name).exercises:
        lines = [" ".join(line.split()) for line in solution(exercise).splitlines()]
        assert [line for line in lines if len(line) > 20 and line in code] == []


@pytest.mark.slow
@each_book
def test_a_notebook_runs_on_the_solved_tree(name, monkeypatch):
    pytest.importorskip("matplotlib", reason="the notebooks plot")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    assert run_assignment(name) < 300


def is_check(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") == "check"
