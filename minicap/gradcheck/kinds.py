"""The ways to be wrong: each makes of a right pair one with a certain fault."""

import ast
import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from textwrap import dedent
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array
from minicap.gradcheck.nested import arrays_in, flatten, map_leaves
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


def _shared_buffer(subject: Subject, _: int) -> Subject | None:
    """The pair keeps what the backward needs in one place, so a second forward overwrites the first's."""
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


def _with_douts(subject: Subject, change: Callable[[Array], Array]) -> Subject | None:
    if subject.backward is None:
        return None
    backward = subject.backward

    @wraps(backward)
    def mutated(*douts_and_cache: Any) -> Any:
        *douts, cache = douts_and_cache
        return backward(*(change(dout) for dout in douts), cache)

    return replace(subject, backward=mutated)


def _missing_path(subject: Subject, _: int) -> Subject | None:
    """What flows back through the last entry of the outputs' last axis is forgotten."""

    def forget(dout: Array) -> Array:
        changed = dout.copy()
        changed[..., -1] = 0
        return changed

    return _with_douts(subject, forget)


def _missing_output(subject: Subject, _: int) -> Subject | None:
    """What flows back through the first of several outputs is forgotten."""
    if subject.backward is None:
        return None
    backward = subject.backward

    @wraps(backward)
    def mutated(*douts_and_cache: Any) -> Any:
        first, *others = douts_and_cache
        return backward(0 * first, *others) if len(others) > 1 else backward(first, *others)

    return replace(subject, backward=mutated)


def _writing(subject: Subject, arrays_of: Callable[[tuple[Any, ...]], Any]) -> Subject | None:
    """After its work the backward doubles, in place, the first array of floats in what arrays_of picks."""
    if subject.backward is None:
        return None
    backward = subject.backward

    @wraps(backward)
    def mutated(*douts_and_cache: Any) -> Any:
        gradients = tuple(g.copy() for g in subject.aligned(backward(*douts_and_cache)))
        _double_first(arrays_of(douts_and_cache))
        return gradients

    return replace(subject, backward=mutated)


def _writing_inputs(subject: Subject, _: int) -> Subject:
    """The forward doubles its first array of floats in place, after its work."""
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


def _flipped_unless_contiguous(dout: Array) -> Array:
    return dout if dout.flags.c_contiguous else np.flip(dout)


def _as_in_memory(array: Any) -> Any:
    """The entries in the order in which they lie in memory, whatever the strides say."""
    if not isinstance(array, np.ndarray) or array.flags.c_contiguous:
        return array
    return array.ravel(order="K").reshape(array.shape)


def _misreading_inputs(subject: Subject, _: int) -> Subject:
    """The forward reads its arrays as they lie in memory."""
    forward = subject.forward

    @wraps(forward)
    def mutated(*args: Any, **kwargs: Any) -> Any:
        return forward(*map_leaves(_as_in_memory, args), **map_leaves(_as_in_memory, kwargs))

    return replace(subject, forward=mutated)


def _edited(name: str, right: str, wrong: str) -> Kind:
    """A slip of the pen: what matches the pattern `right` in the text of the backward reads `wrong`."""

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
        exec(compile(text, f"{name}, in {body.__name__}", "exec"), names)
        return replace(subject, backward=names[body.__name__])

    return Kind(name, make, each_argument=False)


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
    Kind("dout ignored", lambda s, _: _with_douts(s, np.ones_like), each_argument=False),
    Kind("a path missing", _missing_path, each_argument=False),
    Kind("an output's gradient missing", _missing_output, each_argument=False),
    Kind("first answer for ever", _stale, each_argument=False),
    Kind("answers add up", _accumulating, each_argument=False),
    Kind("cache of another call", _shared_buffer, each_argument=False),
    Kind("writes into dout", lambda s, _: _writing(s, lambda args: list(args[:-1])), each_argument=False),
    Kind("writes into the cache", lambda s, _: _writing(s, lambda args: args[-1]), each_argument=False),
    Kind("forward writes into its input", _writing_inputs, each_argument=False),
    Kind(
        "strided dout reversed",
        lambda s, _: _with_douts(s, _flipped_unless_contiguous),
        each_argument=False,
    ),
    Kind("dout read as it lies in memory", lambda s, _: _with_douts(s, _as_in_memory), each_argument=False),
    Kind("input read as it lies in memory", _misreading_inputs, each_argument=False),
    _edited("mask ignored at the first step", r"keep\[t\]", "(keep[t] if t else None)"),
    _edited("mask ignored at the last step", r"keep\[t\]", "(keep[t] if t < len(keep) - 1 else None)"),
    _edited("mask ignored", r"keep\[t\]", "None"),
    _edited("gradient of a carried state dropped", r"\+ d(h_)?carried\b", ""),
    _edited("gradient of a carried cell dropped", r"\+ dc_carried\b", ""),
    Kind("raises", _raising, each_argument=False),
)
