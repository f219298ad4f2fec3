"""Faults of a whole pair: in what it reads, overwrites and keeps, and in its source."""

import ast
import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from textwrap import dedent
from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.gradcheck.nested import arrays_in, map_leaves
from minicap.gradcheck.subject import Subject


def shared_buffer(subject: Subject, _: int) -> Subject | None:
    """The pair keeps what the backward needs in one place, which a second forward overwrites."""
    if subject.backward is None:
        return None
    forward, backward = subject.forward, subject.backward
    latest: list[Any] = []

    @wraps(forward)
    def mutated_forward(*args: Any, **kwargs: Any) -> Any:
        result = forward(*args, **kwargs)
        latest[:] = [result[-1]]
        return result

    @wraps(backward)
    def mutated_backward(*douts_and_cache: Any) -> Any:
        return backward(*douts_and_cache[:-1], latest[0])

    return replace(subject, forward=mutated_forward, backward=mutated_backward)


def with_douts(subject: Subject, change: Callable[[Array], Array]) -> Subject | None:
    if subject.backward is None:
        return None
    backward = subject.backward

    @wraps(backward)
    def mutated(*douts_and_cache: Any) -> Any:
        *douts, cache = douts_and_cache
        return backward(*(change(dout) for dout in douts), cache)

    return replace(subject, backward=mutated)


def missing_path(subject: Subject, _: int) -> Subject | None:
    """What flows back through the last entry of the outputs' last axis is forgotten."""

    def forget(dout: Array) -> Array:
        changed = dout.copy()
        changed[..., -1] = 0
        return changed

    return with_douts(subject, forget)


def missing_output(subject: Subject, _: int) -> Subject | None:
    """What flows back through the first of several outputs is forgotten."""
    if subject.backward is None:
        return None
    backward = subject.backward

    @wraps(backward)
    def mutated(*douts_and_cache: Any) -> Any:
        first, *others = douts_and_cache
        return backward(0 * first, *others) if len(others) > 1 else backward(first, *others)

    return replace(subject, backward=mutated)


def writing(subject: Subject, arrays_of: Callable[[tuple[Any, ...]], Any]) -> Subject | None:
    """At its end the backward doubles, in place, the first float array that arrays_of picks."""
    if subject.backward is None:
        return None
    backward = subject.backward

    @wraps(backward)
    def mutated(*douts_and_cache: Any) -> Any:
        gradients = tuple(g.copy() for g in subject.aligned(backward(*douts_and_cache)))
        _double_first(arrays_of(douts_and_cache))
        return gradients

    return replace(subject, backward=mutated)


def writing_inputs(subject: Subject, _: int) -> Subject:
    """At its end the forward doubles its first float array in place."""
    forward = subject.forward

    @wraps(forward)
    def mutated(*args: Any, **kwargs: Any) -> Any:
        result = forward(*args, **kwargs)
        _double_first([args, kwargs])
        return result

    return replace(subject, forward=mutated)


def _double_first(value: Any) -> None:
    for _, array in arrays_in(value):
        if array.dtype.kind == "f":
            array *= 2
            return


def flipped_unless_contiguous(dout: Array) -> Array:
    return dout if dout.flags.c_contiguous else np.flip(dout)


def as_in_memory(array: Any) -> Any:
    """The entries in their memory order, ignoring the strides."""
    if not isinstance(array, np.ndarray) or array.flags.c_contiguous:
        return array
    return array.ravel(order="K").reshape(array.shape)


def misreading_inputs(subject: Subject, _: int) -> Subject:
    """The forward reads its arrays in memory order."""
    forward = subject.forward

    @wraps(forward)
    def mutated(*args: Any, **kwargs: Any) -> Any:
        return forward(*map_leaves(as_in_memory, args), **map_leaves(as_in_memory, kwargs))

    return replace(subject, forward=mutated)


def edited(right: str, wrong: str) -> Callable[[Subject, int], Subject | None]:
    """A slip: text of the backward that matches the pattern `right` becomes `wrong`."""

    def make(subject: Subject, _: int) -> Subject | None:
        if subject.backward is None:
            return None
        body = getattr(subject.backward, "textbook", subject.backward)
        try:
            edited, count = re.subn(right, wrong, dedent(inspect.getsource(body)))
        except (OSError, TypeError):
            return None  # there is no text, as in a frozen program
        if not count:
            return None
        text = ast.parse(edited)
        for node in text.body:
            if isinstance(node, ast.FunctionDef):
                node.decorator_list.clear()  # else the dispatcher would look for a faster pair
        names = dict(body.__globals__)
        exec(compile(text, f"slip in {body.__name__}", "exec"), names)
        return replace(subject, backward=names[body.__name__])

    return make
