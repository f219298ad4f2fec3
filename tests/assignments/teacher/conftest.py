"""A small assignment, graded in the sandboxes that this machine has: the second one by slow tests."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from minicap.assignments import archive, manifest
from minicap.assignments.submission import wanted
from minicap.assignments.teacher import grading, sandbox
from minicap.assignments.teacher.handout import make
from minicap.assignments.teacher.solution import solved

MANIFEST = """
id = "small"
title = "Two layers"
hide = ["minicap.layers.affine.project_gradients", "minicap.layers.activations.leaky_relu_backward"]

[[exercise]]
id = "relu_backward"
title = "The rectifier's gradient"
target = "minicap.layers.activations.relu_backward"
points = 6
hint = "Where was x positive?"
seconds = 3

[[exercise]]
id = "affine_backward"
title = "The gradients of a matrix"
target = "minicap.layers.affine.affine_backward"
points = 10
hidden = ["in pieces"]
hint = "Shapes tell."
seconds = 3
"""


SECOND = pytest.mark.slow if shutil.which("bwrap") else ()


@pytest.fixture(scope="session", params=["bubblewrap", pytest.param("namespaces", marks=SECOND)])
def sandboxed(request) -> str:
    """A kind of sandbox that there is."""
    if not sandbox.works(request.param):
        pytest.skip(f"this machine has no {request.param}")
    return request.param


@pytest.fixture(scope="session")
def small(tmp_path_factory) -> manifest.Assignment:
    folder = tmp_path_factory.mktemp("assignments") / "small"
    folder.mkdir()
    (folder / manifest.FILE).write_text(MANIFEST, encoding="utf-8")
    return manifest.load(folder)


@pytest.fixture(scope="session")
def files(small) -> dict[str, bytes]:
    """Those of the handout."""
    return make(small).files


@pytest.fixture(scope="session")
def place(small, sandboxed, tmp_path_factory) -> grading.Workplace:
    place = grading.prepare(small, tmp_path_factory.mktemp("place") / "handout", "secret")
    return replace(place, kind=sandboxed)


@pytest.fixture
def submission(tmp_path, small, files):
    """Write a submission: bodies by exercise, "right" for the reference's; changes: other files' bytes."""

    def write(name: str = "student", changes: dict[str, bytes | None] | None = None, **bodies: str) -> Path:
        own = {id: f"import numpy as np\n{body}" for id, body in bodies.items() if body != "right"}
        written = solved(files, small, list(bodies), own) | (changes or {})
        path = tmp_path / f"{name}.zip"
        kept = {n: written[n] for n in wanted(small) if written.get(n) is not None}
        path.write_bytes(archive.zipped(kept))
        return path

    return write


@pytest.fixture
def grade(submission, place):
    """The scores of a submission by exercise, and all that is said of it."""

    def run(**given) -> tuple[dict[str, float], str]:
        record = grading.grade(submission(**given), place)
        said = [record["problem"], *(f[1] for e in record["exercises"] for f in e["failures"])]
        return {e["id"]: e["score"] for e in record["exercises"]}, "\n".join(said)

    return run
