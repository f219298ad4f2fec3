"""Layers that arrange, join and add arrays."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.errors import InputError
from minicap.layers.checks import check, check_dout, shape_error


class FlattenCache(NamedTuple):
    shape: tuple[int, ...]  # (N, d1, ..., dk)


@accelerated
def flatten_forward(x: Array) -> tuple[Array, FlattenCache]:
    """Make every sample one row:  (N, d1, ..., dk) -> (N, d1*...*dk), last axis fastest.

    Returns out, a view of x where its strides allow, and the cache.
    """
    check(flatten_forward, x=(x, "N ..."))

    return x.reshape(len(x), -1), FlattenCache(x.shape)


@accelerated
def flatten_backward(dout: Array, cache: FlattenCache) -> Array:
    """Gradient of flatten_forward: dout in the shape of x."""
    n, *sample = cache.shape
    check_dout(flatten_backward, (n, prod(sample)), dout=dout)

    return dout.reshape(cache.shape)


class ConcatCache(NamedTuple):
    shape: tuple[int, ...]  # of the output
    sizes: tuple[int, ...]  # of each input along the axis
    axis: int


@accelerated
def concat_forward(a: Array, b: Array, *more: Array, axis: int = 1) -> tuple[Array, ConcatCache]:
    """Join arrays along an axis (for NCHW and axis 1: stack their channels).

    a, b, and any more: equal shapes except along that axis.  Returns out and the cache.
    Raises ShapeError when another axis differs or there is no such axis.
    """
    arrays = (a, b, *more)
    named = _by_name(arrays)
    xp = check(concat_forward, **{name: (array, "...") for name, array in named.items()})
    axis = _axis(concat_forward, axis, a=a)
    for name, array in named.items():
        if _without(array.shape, axis) != _without(a.shape, axis):
            raise shape_error(concat_forward, f"{name} and a differ in more than axis {axis}", **named)

    out = xp.concatenate(arrays, axis=axis)
    return out, ConcatCache(out.shape, tuple(array.shape[axis] for array in arrays), axis)


@accelerated
def concat_backward(dout: Array, cache: ConcatCache) -> tuple[Array, ...]:
    """Gradients of concat_forward: each input's piece of dout (views), in the inputs' order."""
    check_dout(concat_backward, cache.shape, dout=dout)

    return _cut(dout, cache.sizes, cache.axis)


class SplitCache(NamedTuple):
    shapes: tuple[tuple[int, ...], ...]  # of the outputs
    axis: int


@accelerated
def split_forward(x: Array, sizes: Sequence[int], axis: int = 1) -> tuple[Any, ...]:
    """Cut an array along an axis, the inverse of concat_forward.

    x: one axis or more.  sizes: of the pieces along that axis; they add up to its size.
    Returns (piece, piece, ..., cache), the pieces views of x.
    Raises ShapeError when the sizes do not add up, one is below 1, or there is no such axis.
    """
    check(split_forward, x=(x, "..."))
    axis = _axis(split_forward, axis, x=x)
    if min(sizes, default=0) < 1 or sum(sizes) != x.shape[axis]:
        raise shape_error(
            split_forward,
            f"sizes must be positive and add up to {x.shape[axis]}, the size of axis {axis}",
            x=x,
            sizes=list(sizes),
        )

    pieces = _cut(x, sizes, axis)
    return *pieces, SplitCache(tuple(piece.shape for piece in pieces), axis)


@accelerated
def split_backward(*douts_and_cache: Any) -> Array:
    """Gradient of split_forward, called as split_backward(dpiece, dpiece, ..., cache): the pieces joined."""
    *douts, cache = douts_and_cache
    if not isinstance(cache, SplitCache):
        raise InputError(
            f"split_backward: cache is a {type(cache).__name__}, not what split_forward returned "
            "(a SplitCache); pass each backward the cache of its own forward"
        )
    named = {f"dout{i}": dout for i, dout in enumerate(douts, start=1)}
    if len(douts) != len(cache.shapes):
        raise shape_error(
            split_backward, f"the forward gave {len(cache.shapes)} pieces but here are {len(douts)}", **named
        )
    for (name, dout), shape in zip(named.items(), cache.shapes, strict=True):
        xp = check_dout(split_backward, shape, **{name: dout})

    return xp.concatenate(douts, axis=cache.axis)


class AddCache(NamedTuple):
    shape: tuple[int, ...]  # of every input and of the output
    inputs: int  # how many there were


@accelerated
def add_forward(a: Array, b: Array, *more: Array) -> tuple[Array, AddCache]:
    """Add arrays entry by entry:  out = a + b + ...  (the residual connection of He et al. 2016, eq. 1).

    a, b, and any more: one shape for all, nothing is broadcast.  Returns out and the cache.
    Raises ShapeError when shapes differ.
    """
    named = _by_name((a, b, *more))
    check(add_forward, **{name: (array, "...") for name, array in named.items()})
    if any(array.shape != a.shape for array in named.values()):
        raise shape_error(add_forward, "all arrays must have one shape", **named)

    out = a + b
    for array in more:
        out = out + array
    return out, AddCache(a.shape, len(named))


@accelerated
def add_backward(dout: Array, cache: AddCache) -> tuple[Array, ...]:
    """Gradients of add_forward: dout for every input (the array itself, not copies)."""
    check_dout(add_backward, cache.shape, dout=dout)

    return (dout,) * cache.inputs


class ScaleShiftCache(NamedTuple):
    x: Array  # (N, C, ...) input as given
    scale: Array  # (C,)


@accelerated
def scale_shift_forward(x: Array, scale: Array, shift: Array) -> tuple[Array, ScaleShiftCache]:
    """Scale and shift every channel:  out[n, c] = scale[c] x[n, c] + shift[c].

    x: (N, C, ...).  scale, shift: (C,).  Returns out like x and the cache.
    Raises ShapeError when scale or shift is not (C,).
    """
    check(scale_shift_forward, x=(x, "N C ..."), scale=(scale, "C"), shift=(shift, "C"))

    return _per_channel(scale, x) * x + _per_channel(shift, x), ScaleShiftCache(x, scale)


@accelerated
def scale_shift_backward(dout: Array, cache: ScaleShiftCache) -> tuple[Array, Array, Array]:
    """Gradients of scale_shift_forward.  Returns dx like x, dscale (C,), dshift (C,).

    scale[c] and shift[c] act on every entry of channel c, so their gradients are sums over the other axes.
    """
    x, scale = cache
    check_dout(scale_shift_backward, x.shape, dout=dout)

    others = (0, *range(2, x.ndim))
    return _per_channel(scale, x) * dout, (dout * x).sum(axis=others), dout.sum(axis=others)


class ScaleCache(NamedTuple):
    shape: tuple[int, ...]  # of x
    factor: float


@accelerated
def scale_forward(x: Array, factor: float) -> tuple[Array, ScaleCache]:
    """Multiply by a constant:  out = factor x.

    x: any shape.  factor: a number, which is not learned.  Returns out like x and the cache.
    """
    check(scale_forward, x=(x, "..."))
    factor = float(factor)  # a NumPy scalar would turn float32 into float64

    return factor * x, ScaleCache(x.shape, factor)


@accelerated
def scale_backward(dout: Array, cache: ScaleCache) -> Array:
    """Gradient of scale_forward:  dx = factor dout."""
    check_dout(scale_backward, cache.shape, dout=dout)

    return cache.factor * dout


def _per_channel(parameter: Array, x: Array) -> Array:
    """(C,) as (C, 1, ..., 1), which broadcasts over x (N, C, ...)."""
    return parameter.reshape(-1, *(1,) * (x.ndim - 2))


def _by_name(arrays: Sequence[Array]) -> dict[str, Array]:
    """Names for error messages: a, b, then array3, array4, ..."""
    return {("a", "b")[i] if i < 2 else f"array{i + 1}": array for i, array in enumerate(arrays)}


def _axis(function: Callable[..., Any], axis: int, **array: Array) -> int:
    """The axis counted from the front.  Raises ShapeError when the array has no such axis."""
    ((name, x),) = array.items()
    if not -x.ndim <= axis < x.ndim:
        raise shape_error(function, f"there is no axis {axis} in {name}", **array)
    return axis % x.ndim


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _cut(x: Array, sizes: Sequence[int], axis: int) -> tuple[Array, ...]:
    """Consecutive views of x along the axis."""
    before = (slice(None),) * axis
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    return tuple(x[*before, start : start + size] for start, size in zip(starts, sizes, strict=True))
