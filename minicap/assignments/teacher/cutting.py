"""Cut the maths out of functions, and keep every other byte of the file.

A body of minicap starts with its docstring and its checks; after a blank line comes nothing but maths.  What
is cut is the maths: the statements after the first blank line between two statements of the body, or all
that follow the docstring where there is none.
"""

import ast
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from minicap.assignments.sources import Function, functions, kernels
from minicap.errors import InputError

HINT = "minicap assign hint"
SHORTEST = 20  # a line no longer than this may stand elsewhere too: "x, w = cache"


class Cut(NamedTuple):
    """A file without the bodies.  removed: their lines, without the blanks around them."""

    text: str
    removed: list[str]


def cut(text: str, exercises: Mapping[str, str], hidden: Mapping[str, str], where: str) -> Cut:
    """The source without the maths of some functions.

    exercises: from names such as "conv_forward" or "Adam.update" to what stands in the TODO.
    hidden: from names to why they are left out; their docstrings go too.
    Raises InputError for a name that the source does not have.
    """
    lines = text.splitlines(keepends=True)
    if not where.endswith(".py"):
        return _cut_kernels(lines, exercises, hidden, where)
    found = dict(functions(ast.parse(text)))
    if missing := sorted((set(exercises) | set(hidden)) - set(found)):
        raise InputError(f"{where} has no function {missing[0]!r}")
    removed: list[str] = []
    newline = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    for name in sorted(set(exercises) | set(hidden), key=lambda n: -found[n].lineno):
        node = found[name]
        whole = name in hidden
        first = body_start(node, lines, whole)
        last = node.end_lineno or first
        maths = lines[body_start(node, lines) - 1 : last]
        removed += [stripped for line in maths if (stripped := line.strip())]
        indent = " " * (node.col_offset + 4)
        put = _left_out(hidden[name]) if whole else _todo(exercises[name])
        lines[first - 1 : last] = [f"{indent}{line}{newline}" for line in put]
    result = "".join(lines)
    compile(result, where, "exec")
    return Cut(result, removed)


def _cut_kernels(
    lines: list[str], exercises: Mapping[str, str], hidden: Mapping[str, str], where: str
) -> Cut:
    """`cut` for CUDA: all that stands between a function's braces goes."""
    found = kernels("".join(lines))
    if missing := sorted((set(exercises) | set(hidden)) - set(found)):
        raise InputError(f"{where} has no kernel {missing[0]!r}")
    removed: list[str] = []
    for name in sorted(set(exercises) | set(hidden), key=lambda n: -found[n][0]):
        first, last = found[name]
        removed += [stripped for line in lines[first - 1 : last] if (stripped := line.strip())]
        exercise = exercises.get(name)
        told = f"{exercise}: not written yet; {HINT} {exercise}" if exercise else hidden[name]
        put = [f"// TODO({exercise}): your code here."] if exercise else []
        lines[first - 1 : last] = [f"  {line}\n" for line in [*put, f'NOT_WRITTEN("{told}");']]
    return Cut("".join(lines), removed)


def body_start(node: Function, lines: list[str], whole: bool = False) -> int:
    """The number of the first line that is cut."""
    body = list(node.body)
    has_docstring = ast.get_docstring(node) is not None
    if whole:
        return body[0].lineno
    if has_docstring:
        body.pop(0)
    if not body:
        return (node.end_lineno or node.lineno) + 1
    for before, after in pairwise(body):
        between = lines[before.end_lineno or 0 : after.lineno - 1]
        if any(not line.strip() for line in between):
            blank = next(n for n, line in enumerate(between) if not line.strip())
            return (before.end_lineno or 0) + blank + 2  # the line after the blank one
    start = node.body[0].end_lineno or 0 if has_docstring else body[0].lineno - 1
    while start < body[0].lineno - 1 and not lines[start].strip():
        start += 1
    return start + 1


def body_lines(text: str, name: str) -> list[str]:
    """The lines of a function that `cut` would take out of the source."""
    lines = text.splitlines()
    if (kernel := kernels(text).get(name)) is not None:
        return lines[kernel[0] - 1 : kernel[1]]
    node = dict(functions(ast.parse(text)))[name]
    return lines[body_start(node, text.splitlines(keepends=True)) - 1 : node.end_lineno]


def _todo(exercise: str) -> list[str]:
    return [
        f"# TODO({exercise}): your code here.",
        f'raise NotImplementedError("{exercise}: not written yet; {HINT} {exercise}")',
    ]


def _left_out(reason: str) -> list[str]:
    return [
        '"""Left out of this handout."""',
        f'raise NotImplementedError("{reason}")',
    ]
