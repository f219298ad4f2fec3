"""Students' bodies in the place of the reference's, and handouts in folders."""

import ast
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from textwrap import dedent

import numpy as np

from minicap.assignments import archive, sources
from minicap.assignments.manifest import Exercise
from minicap.assignments.sources import functions
from minicap.assignments.teacher.solution import put


@contextmanager
def standing_in(files: dict[str, bytes], exercise: Exercise, body: str) -> Iterator[None]:
    """A student's body in the place of the reference's own function, inside the `with` block."""
    text = put(files[exercise.file].decode(), exercise, dedent(body).strip("\n"))
    if not exercise.is_python:
        right = sources.text_of
        sources.text_of = lambda module: text if module == exercise.module else right(module)
        try:
            yield
        finally:
            sources.text_of = right
        return
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
