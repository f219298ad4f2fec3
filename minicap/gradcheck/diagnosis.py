"""Guess what is wrong with a gradient from how it differs from the measured one, in words."""

from collections.abc import Iterator, Sequence

import numpy as np

from minicap.arrays import Array

_CLOSE = 1e-5


def diagnose(
    position: int, gradients: Sequence[Array], measured: Sequence[Array], names: Sequence[str], batch: int
) -> str:
    """The likeliest description of the gradient at a position that fails.  batch: size of the batch axis."""
    a, n = gradients[position], measured[position]
    name = f"d{names[position]}"
    if not a.any():
        return f"{name} is all zeros"
    if not n.any():
        return f"{name} should be all zeros"
    scale = float(np.vdot(a, n) / np.vdot(n, n))
    if _same(a, scale * n):
        return f"{name} is {_factor(scale, batch)}"
    for other, (gradient, name_of_other) in enumerate(zip(measured, names, strict=True)):
        if other != position and _same(a, gradient):
            return f"{name} holds the gradient of {name_of_other}"
    for words, moved in _rearranged(n):
        if _same(a, moved):
            return f"{name} is {words}"
    if a.size > 2 and _same(a - n, np.full(n.shape, (a - n).mean())):
        return f"{name} is off by the constant {float((a - n).mean()):.4g}"
    wrong = np.abs(a - n) > _CLOSE * np.abs(n).max()
    if not wrong.any():
        return f"{name} is nearly right: an inexact formula, or a loss of precision"
    zero = " (zero where it should not be)" if not a[wrong].any() else ""
    return f"{name} is wrong in {int(wrong.sum())} of {a.size} entries{zero}"


def _same(a: Array, b: Array) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max() <= _CLOSE * max(np.abs(b).max(), 1e-300))


def _factor(scale: float, batch: int) -> str:
    if abs(scale + 1) < _CLOSE:
        return "correct except for its sign"
    words = f"{scale:.6g} times what it should be"
    for factor, meaning in ((1 / batch, "divided"), (batch, "multiplied")):
        if batch > 1 and abs(scale - factor) < _CLOSE * factor:
            words += f" ({meaning} by the batch size {batch} once too often)"
    return words


def _rearranged(n: Array) -> Iterator[tuple[str, Array]]:
    if n.ndim > 1:
        yield "transposed", n.T.reshape(n.shape)
    for axis in range(n.ndim):
        yield f"reversed along axis {axis}", np.flip(n, axis)
        yield f"shifted by one along axis {axis}", np.roll(n, 1, axis)
        yield f"shifted by one along axis {axis}", np.roll(n, -1, axis)
