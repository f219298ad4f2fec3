"""Solved handouts: the bodies that were cut, put back."""

import ast
from collections.abc import Iterable, Mapping
from textwrap import indent

from minicap.assignments.manifest import PACKAGE, Assignment, Exercise
from minicap.assignments.sources import functions, kernels
from minicap.assignments.teacher.cutting import body_lines

ROOT = PACKAGE.parent


def solved(
    files: Mapping[str, bytes],
    assignment: Assignment,
    ids: Iterable[str],
    bodies: Mapping[str, str] | None = None,
) -> dict[str, bytes]:
    """The handout's files with these exercises solved; bodies: what to use instead of the reference's."""
    done, own = dict(files), bodies or {}
    for id in ids:
        exercise = assignment.exercise(id)
        text = put(done[exercise.file].decode("utf-8"), exercise, own.get(id) or solution(exercise))
        for target in () if id in own else exercise.with_them:
            text = _put_back(text, exercise, target.removeprefix(f"{exercise.module}."))
        done[exercise.file] = text.encode("utf-8")
    return done


def solution(exercise: Exercise) -> str:
    """The reference's body, as it was cut."""
    return "\n".join(body_lines(_reference(exercise), exercise.function))


def put(text: str, exercise: Exercise, body: str) -> str:
    """The text of a handout's module with a body in place of an exercise's TODO."""
    lines = text.splitlines()
    if not exercise.is_python:
        first, last = kernels(text)[exercise.function]
        lines[first - 1 : last] = [body]
        return "\n".join(lines) + "\n"
    node = dict(functions(ast.parse(text)))[exercise.function]
    end = node.end_lineno or node.lineno
    todo = next(n for n in range(node.lineno, end) if "# TODO(" in lines[n])
    if not body.startswith(" "):
        body = indent(body, " " * (node.col_offset + 4))
    lines[todo:end] = [body]
    return "\n".join(lines) + "\n"


def _put_back(text: str, exercise: Exercise, name: str) -> str:
    """The text with a whole function of the reference."""
    reference = _reference(exercise)
    node, right = (dict(functions(ast.parse(t)))[name] for t in (text, reference))
    lines = text.splitlines()
    lines[node.lineno - 1 : node.end_lineno] = reference.splitlines()[right.lineno - 1 : right.end_lineno]
    return "\n".join(lines) + "\n"


def _reference(exercise: Exercise) -> str:
    return (ROOT / exercise.file).read_text(encoding="utf-8")
