"""Handouts, built once for all tests of a process."""

from functools import cache
from pathlib import Path

import pytest
from solving_assignments import environment, unpack

from minicap.assignments import manifest
from minicap.assignments.check import Result, check_exercise
from minicap.assignments.running import Worker
from minicap.assignments.teacher.handout import Handout, make
from minicap.assignments.trials import PUBLIC, read


@cache
def built(name: str) -> Handout:
    return make(manifest.find(name))


@pytest.fixture(scope="session")
def handout_of():
    """From an assignment's id to its handout."""
    return built


@pytest.fixture
def check_files(tmp_path):
    """Check a handout's files as a student would; returns the results by exercise."""

    def check(
        assignment: manifest.Assignment, files: dict[str, bytes], ids: list[str] = ()
    ) -> dict[str, Result]:
        folder = unpack(files, tmp_path / f"handout{len(list(tmp_path.iterdir()))}")
        own = folder / "assignments" / assignment.id
        calls = (own / "calls.py").read_text(encoding="utf-8") if (own / "calls.py").exists() else ""
        trials = read(own / PUBLIC)
        variables = environment(folder)
        with Worker(variables=variables, folder=folder) as worker:
            return {
                e.id: check_exercise(worker, e, [t for t in trials if t.exercise == e.id], calls)
                for e in assignment.exercises
                if not ids or e.id in ids
            }

    return check


@pytest.fixture
def a2() -> manifest.Assignment:
    return manifest.find("a2")


@pytest.fixture
def project() -> Path:
    return manifest.PACKAGE.parent
