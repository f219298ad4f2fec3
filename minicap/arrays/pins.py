"""The source that a faster pair was written for: where a body differs from it, the body runs.

`minicap.backend.pins` holds a fingerprint of every function that a faster pair replaces: the forward, the
backward, and what they call in minicap.  After changing the maths and checking the faster pairs, renew them
with `python -m tools.pin`.
"""

import inspect
from collections.abc import Callable, Iterator
from functools import cache
from hashlib import sha256
from importlib import import_module
from types import CodeType
from typing import Any

Function = Callable[..., Any]

# Modules that every layer calls and that hold no maths.
PLUMBING = {
    "minicap.arrays.backends",
    "minicap.arrays.checks",
    "minicap.arrays.dispatch",
    "minicap.layers.checks",
}


def edited(*functions: Function) -> list[str]:
    """The names of all parts of the functions whose source is not the pinned one.

    Where there is no source, as in a frozen program, it counts as the pinned one.
    """
    pins: dict[str, str] = import_module("minicap.backend.pins").PINS
    parts = parts_of(*functions).items()
    return [name for name, part in parts if name not in pins or fingerprint(part) not in (None, pins[name])]


def parts_of(*functions: Function) -> dict[str, Function]:
    """The bodies of the functions, the backward of a forward, and all that these call in minicap, by name."""
    parts: dict[str, Function] = {}
    pending = list(functions)
    while pending:
        function = pending.pop()
        body = getattr(function, "textbook", function)
        name = f"{body.__module__}.{body.__qualname__}"
        if name in parts:
            continue
        parts[name] = body
        names = {*_names(body.__code__), body.__name__.replace("_forward", "_backward")}
        called = (body.__globals__.get(name) for name in sorted(names))
        pending += [function for function in called if inspect.isfunction(function) and _is_maths(function)]
    return parts


def _is_maths(function: Function) -> bool:
    return function.__module__.startswith("minicap.") and function.__module__ not in PLUMBING


@cache
def fingerprint(function: Function) -> str | None:
    """Sixteen digits that differ where the source does, trailing blanks aside; None without a source."""
    try:
        lines = inspect.getsource(function).splitlines()
    except (OSError, TypeError):
        return None
    return sha256("\n".join(line.rstrip() for line in lines if line.strip()).encode()).hexdigest()[:16]


def _names(code: CodeType) -> Iterator[str]:
    """The global names that a body and the functions inside it mention."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
