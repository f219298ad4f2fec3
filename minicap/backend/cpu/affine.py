"""The fully connected layer after images: they are flattened once, and their gradient keeps their order."""

from typing import Any, NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.cpu import gemm
from minicap.backend.cpu.order import axis_order, in_order, is_float
from minicap.backend.cpu.threads import in_parts

FEWEST_PRODUCTS = 1 << 18  # multiplications; for fewer, OpenBLAS uses one thread


class AffineCache(NamedTuple):
    rows: Array  # (N, D): x, flattened in logical order
    w: Array  # (D, M)
    shape: tuple[int, ...]  # of x
    order: tuple[int, ...]  # of x's axes in memory


def supports(x: Array, w: Array, b: Array) -> bool:
    """Samples with more than one axis, or enough work for BLAS to use its threads."""
    return (
        is_float(x)
        and all(isinstance(p, np.ndarray) and p.dtype == x.dtype for p in (w, b))
        and w.ndim == 2
        and x.ndim >= 2
        and x.size == len(x) * len(w)
        and (x.ndim > 2 or x.size * w.shape[1] > FEWEST_PRODUCTS)
        and b.shape == w.shape[1:]
    )


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, AffineCache]:
    """out = x w + b."""
    rows = x.reshape(len(x), -1)
    out = gemm.product(rows, w)
    out += b
    return out, AffineCache(rows, w, x.shape, axis_order(x))


def affine_backward(dout: Array, cache: AffineCache, input_gradient: bool = True) -> tuple[Any, Array, Array]:
    """As the textbook's, with dx in the memory order of x."""
    rows, w, shape, order = cache
    check_dout(affine_backward, (len(rows), w.shape[1]), dout=dout)
    dx = in_order(_input_gradient(dout, w).reshape(shape), order) if input_gradient else None
    (db,) = gemm.product(np.ones((1, len(dout)), dout.dtype), dout)
    return dx, gemm.product(rows.T, dout), db


def _input_gradient(dout: Array, w: Array) -> Array:
    """dout w^T, as the transpose of w dout^T: a product with many rows, where w need not be packed."""
    dx, columns = np.empty((len(w), len(dout)), w.dtype), np.ascontiguousarray(dout.T)
    in_parts(lambda some: gemm.times(w[some], columns, dx[some]), len(w), w.size * len(dout))
    return dx.T


OVERRIDES = (Override("affine", affine_forward, supports, AffineCache, affine_backward),)
