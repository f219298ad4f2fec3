"""The fully connected layer behind images: they are flattened once, and their gradient keeps their order."""

from typing import Any, NamedTuple

import numpy as np

from minicap.backend.arrays import Array
from minicap.backend.checks import check_dout
from minicap.backend.cpu.memory import axis_order, in_order, is_float
from minicap.backend.dispatch import Override


class AffineCache(NamedTuple):
    rows: Array  # (N, D): x, flattened in logical order
    w: Array  # (D, M)
    shape: tuple[int, ...]  # of x
    order: tuple[int, ...]  # of x's axes in memory


def supports(x: Array, w: Array, b: Array) -> bool:
    """Samples of more than one axis; the textbook is as fast for the others."""
    return (
        is_float(x)
        and x.ndim > 2
        and all(isinstance(p, np.ndarray) and p.dtype == x.dtype for p in (w, b))
        and w.ndim == 2
        and x.size == len(x) * len(w)
        and b.shape == w.shape[1:]
    )


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, AffineCache]:
    """out = x w + b."""
    rows = x.reshape(len(x), -1)
    out = rows @ w
    out += b
    return out, AffineCache(rows, w, x.shape, axis_order(x))


def affine_backward(dout: Array, cache: AffineCache, input_gradient: bool = True) -> tuple[Any, Array, Array]:
    """As the textbook's, with dx in the memory order of x."""
    rows, w, shape, order = cache
    check_dout(affine_backward, (len(rows), w.shape[1]), dout=dout)
    dx = in_order((dout @ w.T).reshape(shape), order) if input_gradient else None
    return dx, rows.T @ dout, np.ones(len(dout), dout.dtype) @ dout


OVERRIDES = (Override("affine", affine_forward, supports, AffineCache, affine_backward),)
