"""Classic mistakes: what they answer is noted when a handout is built, so that a check can name them.

A mistake is an edit of the right code.  A handout holds neither the edit nor the right code, only the
cause in words and a fingerprint of the wrong numbers: whoever gets the same numbers has made the same
mistake, in whatever form.
"""

import ast
import inspect
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import reduce
from importlib import import_module
from pathlib import Path
from textwrap import dedent
from typing import Any

from minicap.assignments import sources
from minicap.assignments.manifest import Exercise
from minicap.errors import FormatError
from minicap.formats.documents import read_toml
from minicap.formats.settings import from_mapping


@dataclass(frozen=True)
class Mistake:
    """An edit of an exercise's function or kernel, or of another of its file: `old` becomes `new`.

    cause: the sentence that a student reads.
    """

    exercise: str
    cause: str
    old: str
    new: str
    function: str = ""


def load_mistakes(folder: Path) -> list[Mistake]:
    """The mistakes of an assignment's mistakes.toml, if it has one.  Raises FormatError for a wrong one."""
    file = folder / "mistakes.toml"
    if not file.is_file():
        return []
    tables = read_toml(file).get("mistake", [])
    return [from_mapping(Mistake, dict(t), f"{file}: mistake {n}") for n, t in enumerate(tables, 1)]


def in_place(exercise: Exercise, mistake: Mistake) -> AbstractContextManager[None]:
    """Put the mistake in place of the right function or kernel inside the `with` block.

    Raises FormatError when the right code does not hold what is to be replaced.
    """
    if not exercise.is_python:
        return _in_kernels(exercise, mistake)
    return _in_module(import_module(exercise.module), mistake)


@contextmanager
def _in_kernels(exercise: Exercise, mistake: Mistake) -> Iterator[None]:
    right = sources.text_of
    name, text = mistake.function or exercise.function, right(exercise.module)
    first, last = sources.kernels(text)[name]
    lines = text.splitlines(keepends=True)
    body = "".join(lines[first - 1 : last])
    edited = _edited(body, mistake, name)
    wrong = "".join((*lines[: first - 1], edited, *lines[last:]))
    setattr(sources, right.__name__, lambda module: wrong if module == exercise.module else right(module))
    try:
        yield
    finally:
        setattr(sources, right.__name__, right)


def _edited(text: str, mistake: Mistake, name: str) -> str:
    if mistake.old not in text:
        raise FormatError(f"mistake in {mistake.exercise}: {name} does not hold {mistake.old!r}")
    return text.replace(mistake.old, mistake.new)


@contextmanager
def _in_module(module: Any, mistake: Mistake) -> Iterator[None]:
    name = mistake.function or _target(module, mistake)
    *owner, last = name.split(".")
    holder = reduce(getattr, owner, module)
    right = getattr(holder, last)
    body = inspect.unwrap(right)
    text = dedent(inspect.getsource(body))
    tree = ast.parse(_edited(text, mistake, name))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.decorator_list.clear()
    names = dict(vars(module))
    exec(compile(tree, f"mistake in {name}", "exec"), names)
    setattr(holder, last, names[last])
    try:
        yield
    finally:
        setattr(holder, last, right)


def _target(module: Any, mistake: Mistake) -> str:
    if not hasattr(module, mistake.exercise):
        raise FormatError(f"mistake in {mistake.exercise}: say which function of {module.__name__} it edits")
    return mistake.exercise
