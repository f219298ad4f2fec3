"""The ways to be wrong: each turns a correct pair into one with a certain fault."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array
from minicap.gradcheck.faults import (
    as_in_memory,
    edited,
    flipped_unless_contiguous,
    misreading_inputs,
    missing_output,
    missing_path,
    shared_buffer,
    with_douts,
    writing,
    writing_inputs,
)
from minicap.gradcheck.nested import flatten
from minicap.gradcheck.subject import Subject


class Kind(NamedTuple):
    """A way to be wrong.

    make: the subject with that fault in the gradient of the argument at a position (or, where
    each_argument is False, in the pair as a whole), or None when the subject has nothing to break.
    """

    name: str
    make: Callable[[Subject, int], Subject | None]
    each_argument: bool = True


def _returning(subject: Subject, change: Callable[[list[Any]], Sequence[Any]]) -> Subject:
    """The subject with its list of gradients sent through change."""
    if subject.backward is None:
        loss = subject.forward

        @wraps(loss)
        def mutated_loss(*args: Any, **kwargs: Any) -> Any:
            value, *gradients = loss(*args, **kwargs)
            return value, *change(flatten(gradients))

        return replace(subject, forward=mutated_loss)
    backward = subject.backward

    @wraps(backward)
    def mutated_backward(*douts_and_cache: Any) -> Any:
        return tuple(change(subject.aligned(backward(*douts_and_cache))))

    return replace(subject, backward=mutated_backward)


def _value(name: str, change: Callable[[Array], Any]) -> Kind:
    """A kind that changes one gradient at a time by itself."""

    def make(subject: Subject, position: int) -> Subject:
        def change_one(gradients: list[Any]) -> list[Any]:
            return [change(g) if i == position else g for i, g in enumerate(gradients)]

        return _returning(subject, change_one)

    return Kind(name, make)


def _slip(name: str, right: str, wrong: str) -> Kind:
    return Kind(name, edited(right, wrong), each_argument=False)


def _longest_axis(g: Array) -> int:
    return int(np.argmax(g.shape))


def _size(g: Array) -> Any:
    """A thousandth of the largest entry (of 1 when all are zero), in the dtype of g."""
    return g.dtype.type(1e-3) * (np.abs(g).max() or g.dtype.type(1))


def _with_entry(g: Array, position: int, value: Any) -> Array:
    changed = g.copy()
    changed.flat[position] = value
    return changed


def _with_one_wrong(g: Array) -> Array:
    middle = g.size // 2
    return _with_entry(g, middle, g.flat[middle] + _size(g))


def _without_last(g: Array) -> Array:
    if not g.ndim:
        return 0 * g
    changed = g.copy()
    changed[-1] = 0
    return changed


def _batch_averaged(subject: Subject, position: int) -> Subject:
    size = len(np.atleast_1d(subject.differentiated(subject.inputs)[0]))

    def average(gradients: list[Any]) -> list[Any]:
        return [g / g.dtype.type(size) if i == position else g for i, g in enumerate(gradients)]

    return _returning(subject, average)


def _of_another(subject: Subject, position: int) -> Subject | None:
    count = len(subject.arguments)
    if count == 1:
        return None

    def swap(gradients: list[Any]) -> list[Any]:
        changed = list(gradients)
        other = (position + 1) % count
        changed[position], changed[other] = gradients[other], gradients[position]
        return changed

    return _returning(subject, swap)


def _too_few(subject: Subject, _: int) -> Subject:
    return _returning(subject, lambda gradients: gradients[:-1])


def _too_many(subject: Subject, _: int) -> Subject:
    return _returning(subject, lambda gradients: [*gradients, gradients[-1]])


def _stale(subject: Subject, _: int) -> Subject:
    kept: dict[Any, list[Any]] = {}

    def first_answer(gradients: list[Any]) -> list[Any]:
        return kept.setdefault(gradients[0].dtype, [g.copy() for g in gradients])

    return _returning(subject, first_answer)


def _accumulating(subject: Subject, _: int) -> Subject:
    total: dict[Any, list[Any]] = {}

    def add(gradients: list[Any]) -> list[Any]:
        before = total.get(gradients[0].dtype, [0 * g for g in gradients])
        total[gradients[0].dtype] = [b + g for b, g in zip(before, gradients, strict=True)]
        return total[gradients[0].dtype]

    return _returning(subject, add)


def _raising(subject: Subject, _: int) -> Subject:
    def fail(gradients: list[Any]) -> list[Any]:
        raise RuntimeError("not implemented yet")

    return _returning(subject, fail)


KINDS: tuple[Kind, ...] = (
    _value("zeroed", lambda g: 0 * g),
    _value("sign flipped", lambda g: -g),
    _value("scaled by 1.001", lambda g: g * g.dtype.type(1.001)),
    Kind("averaged over the batch twice", _batch_averaged),
    _value("transposed", lambda g: g.T.reshape(g.shape)),
    _value("reversed along an axis", lambda g: np.flip(g, _longest_axis(g)) if g.ndim else g),
    _value("shifted by one along an axis", lambda g: np.roll(g, 1, _longest_axis(g)) if g.ndim else g),
    _value("one entry wrong", _with_one_wrong),
    _value("constant added", lambda g: g + _size(g)),
    _value("last sample missing", _without_last),
    _value("precision lost", lambda g: g.astype(np.float16).astype(g.dtype)),
    Kind("gradients swapped", _of_another),
    _value("not a number", lambda g: _with_entry(g, 0, np.nan)),
    _value("None", lambda g: None),
    _value("wrong shape", lambda g: g[None]),
    _value("always float64", lambda g: g.astype(np.float64)),
    _value("always float32", lambda g: g.astype(np.float32)),
    Kind("one gradient too few", _too_few, each_argument=False),
    Kind("one gradient too many", _too_many, each_argument=False),
    Kind("dout ignored", lambda s, _: with_douts(s, np.ones_like), each_argument=False),
    Kind("a path missing", missing_path, each_argument=False),
    Kind("an output's gradient missing", missing_output, each_argument=False),
    Kind("first answer forever", _stale, each_argument=False),
    Kind("answers add up", _accumulating, each_argument=False),
    Kind("cache of another call", shared_buffer, each_argument=False),
    Kind("writes into dout", lambda s, _: writing(s, lambda args: list(args[:-1])), each_argument=False),
    Kind("writes into the cache", lambda s, _: writing(s, lambda args: args[-1]), each_argument=False),
    Kind("forward writes into its input", writing_inputs, each_argument=False),
    Kind(
        "strided dout reversed",
        lambda s, _: with_douts(s, flipped_unless_contiguous),
        each_argument=False,
    ),
    Kind("dout read as it lies in memory", lambda s, _: with_douts(s, as_in_memory), each_argument=False),
    Kind("input read as it lies in memory", misreading_inputs, each_argument=False),
    _slip("mask ignored at the first step", r"keep\[t\]", "(keep[t] if t else None)"),
    _slip("mask ignored at the last step", r"keep\[t\]", "(keep[t] if t < len(keep) - 1 else None)"),
    _slip("mask ignored", r"keep\[t\]", "None"),
    _slip("gradient of a carried state dropped", r"\+ d(h_)?carried\b", ""),
    _slip("gradient of a carried cell dropped", r"\+ dc_carried\b", ""),
    Kind("raises", _raising, each_argument=False),
)
