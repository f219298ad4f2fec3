import posixpath
import re
import subprocess
import sys

import pytest
from solving_assignments import environment, unpack

from minicap.assignments import archive, manifest
from minicap.assignments.teacher.cutting import SHORTEST
from minicap.assignments.teacher.handout import dangling, leaks, relinked
from minicap.assignments.teacher.solution import solved

NAMES = list(manifest.folders())
each_assignment = pytest.mark.parametrize("name", NAMES)


@each_assignment
def test_no_line_of_a_body_that_was_cut_survives(name, handout_of):
    """Looked at once more, line by line, whatever the builder says."""
    handout = handout_of(name)
    lines = {
        " ".join(line.split())
        for path, data in handout.files.items()
        for line in data.decode("latin-1").splitlines()
    }
    removed = {" ".join(line.split()) for cut in handout.removed.values() for line in cut}
    assert len(removed) > 15
    assert {line for line in removed if len(line) > SHORTEST} & lines == set()


def test_a_leak_is_found_wherever_it_stands():
    removed = {"minicap/layers/relu.py": ["out = maximum(x, 0) * 1.0"]}
    files = {"docs/page.md": b"as in `out =  maximum(x,\n 0) * 1.0`", "b.py": b"out = 1"}
    assert len(leaks(files, removed)) == 1
    assert leaks(files, removed)[0].path == "docs/page.md"
    assert leaks(files, {"a.py": ["x, w = cache"]}) == []  # too short to tell anything


def test_an_import_of_what_is_left_out_is_found():
    files = {"minicap/a.py": b"from minicap.b import c\nimport numpy\n", "minicap/c.py": b""}
    assert dangling(files) == ["minicap/a.py:1 imports minicap.b"]


@each_assignment
def test_pages_lead_from_one_to_the_other_and_nowhere_else(name, handout_of):
    files = handout_of(name).files
    for page in ("README.md", "assignments/README.md", f"assignments/{name}/README.md"):
        targets = re.findall(r"\]\(([^)#:]+)\)", files[page].decode())
        assert {posixpath.normpath(posixpath.join(posixpath.dirname(page), t)) for t in targets} <= set(files)
    assert b"(assignments/README.md)" in files["README.md"]
    assert f"({name}/README.md)".encode() in files["assignments/README.md"]


def test_links_of_a_page_that_moves_lead_to_the_same_files():
    text = b"[a](b.md#c) ![d](e.png) ![k](k.png) [f](../g.md) [h](https://example.org) `[i](j.md)`"
    moved = relinked(text, "x/y/page.md", "page.md", {"x/y/b.md", "x/y/e.png", "x/g.md"})
    assert moved == b"[a](x/y/b.md#c) ![d](x/y/e.png) k [f](x/g.md) [h](https://example.org) `i`"


@each_assignment
def test_handouts_hold_nothing_that_is_for_teachers(name, handout_of):
    files = handout_of(name).files
    own = {path.rpartition("/")[2] for path in files if path.startswith("assignments/")}
    assert own & {"cases.py", "mistakes.toml", "hidden"} == set()
    folders = (
        "docs/",
        "tests/",
        "benchmarks/",
        "tools/",
        ".git",
        "minicap/assignments/teacher/",
        "minicap/compat/",
    )
    assert not [path for path in files if path.startswith(folders) or path.endswith(".pyc")]
    kernels = {path for path in files if path.endswith((".cu", ".cuh"))}
    assert kernels <= set(manifest.find(name).keep)


@each_assignment
def test_the_same_handout_twice_is_the_same_archive(name, handout_of):
    files = handout_of(name).files
    again = archive.zipped(dict(reversed(files.items())))
    assert archive.zipped(files) == again


@each_assignment
def test_a_handout_imports_and_scores_nothing(name, handout_of, check_files, tmp_path):
    assignment, files = manifest.find(name), handout_of(name).files
    results = check_files(assignment, files)
    assert [r.exercise.id for r in results.values() if r.passed] == []
    assert {r.text for r in results.values()} == {"not written yet"}
    assert [r.where for r in results.values() if r.exercise.file not in r.where.replace("\\", "/")] == []
    folder = unpack(files, tmp_path / "imported")
    names = "minicap.layers, minicap.nn, minicap.captioning, minicap.classification, minicap.cli"
    code = f"import {names}, minicap.arrays.dispatch as d; print(d.overrides_of('minicap.backend.cpu'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{}", "a faster pair would answer in a student's stead"


@each_assignment
def test_the_reference_scores_everything(name, handout_of, check_files):
    assignment = manifest.find(name)
    results = check_files(assignment, solved(handout_of(name).files, assignment, [*assignment.named]))
    assert {r.exercise.id: r.text for r in results.values() if not r.done} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "exercise"), [(n, e.id) for n in NAMES for e in manifest.find(n).exercises], ids=str
)
def test_an_exercise_solved_alone_passes_alone(name, exercise, handout_of, check_files):
    assignment = manifest.find(name)
    results = check_files(assignment, solved(handout_of(name).files, assignment, [exercise]))
    assert [r.exercise.id for r in results.values() if r.done] == [exercise]
    assert [r.exercise.id for r in results.values() if r.passed] == [exercise]


@pytest.mark.parametrize("exercise", ["conv_backward", "batchnorm_backward", "dropout_forward"])
def test_an_exercise_needs_no_other_to_pass(exercise, handout_of, check_files, a2):
    results = check_files(a2, solved(handout_of("a2").files, a2, [exercise]))
    assert [r.exercise.id for r in results.values() if r.passed] == [exercise]
