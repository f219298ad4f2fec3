"""Handouts in which some exercises are solved: with the reference's bodies, or with others."""

import ast
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from textwrap import dedent, indent

import numpy as np

from minicap.assignments import archive
from minicap.assignments.manifest import PACKAGE, Assignment, Exercise
from minicap.assignments.sources import functions
from minicap.assignments.teacher.cutting import body_lines

ROOT = PACKAGE.parent


def solution(exercise: Exercise) -> str:
    """The reference's body, as it was cut."""
    text = (ROOT / exercise.file).read_text(encoding="utf-8")
    return "\n".join(body_lines(text, exercise.function))


def put(text: str, exercise: Exercise, body: str) -> str:
    """The text of a handout's module with a body in the place of an exercise's TODO."""
    node = dict(functions(ast.parse(text)))[exercise.function]
    lines = text.splitlines()
    todo = next(n for n in range(node.lineno, node.end_lineno) if "# TODO(" in lines[n])
    if not body.startswith(" "):
        body = indent(body, " " * (node.col_offset + 4))
    lines[todo : node.end_lineno] = [body]
    return "\n".join(lines) + "\n"


def solved(
    files: dict[str, bytes], assignment: Assignment, ids: list[str], bodies: dict[str, str] | None = None
) -> dict[str, bytes]:
    """The handout's files with these exercises solved; bodies: with what, where not as the reference does."""
    files = dict(files)
    for id in ids:
        exercise = assignment.exercise(id)
        body = (bodies or {}).get(id) or solution(exercise)
        text = put(files[exercise.file].decode(), exercise, body)
        for target in () if id in (bodies or {}) else exercise.with_them:
            text = put_back(text, exercise, target.removeprefix(f"{exercise.module}."))
        files[exercise.file] = text.encode()
    return files


def put_back(text: str, exercise: Exercise, name: str) -> str:
    """The text with a function of the reference."""
    reference = (ROOT / exercise.file).read_text(encoding="utf-8")
    node, right = (dict(functions(ast.parse(t)))[name] for t in (text, reference))
    lines = text.splitlines()
    lines[node.lineno - 1 : node.end_lineno] = reference.splitlines()[right.lineno - 1 : right.end_lineno]
    return "\n".join(lines) + "\n"


@contextmanager
def standing_in(files: dict[str, bytes], exercise: Exercise, body: str) -> Iterator[None]:
    """A student's body in the place of the reference's own function, inside the `with` block."""
    text = put(files[exercise.file].decode(), exercise, dedent(body).strip("\n"))
    node = dict(functions(ast.parse(text)))[exercise.function]
    node.decorator_list.clear()
    module = import_module(exercise.module)
    names = dict(vars(module)) | {"np": np}
    exec(compile(ast.Module([node], []), "student", "exec"), names)
    *owner, last = exercise.function.split(".")
    holder = getattr(module, owner[0]) if owner else module
    right = getattr(holder, last)
    setattr(holder, last, names[last])
    try:
        yield
    finally:
        setattr(holder, last, right)


def environment(folder: Path) -> dict[str, str]:
    """The variables of a process whose minicap is the one in a folder."""
    return dict(os.environ) | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}


def unpack(files: dict[str, bytes], folder: Path) -> Path:
    """The files in a folder."""
    archive.write(files, folder, "handout")
    return folder
