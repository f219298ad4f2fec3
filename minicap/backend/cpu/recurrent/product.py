"""The product of one time step: a few rows times the same large matrices, again at every step."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from minicap.arrays.backends import Array
from minicap.backend.cpu import tuning
from minicap.backend.cpu.gemm import SMALL_PRODUCT

AddProduct: TypeAlias = Callable[[Array, Array], None]

LEAST_ROWS, LEAST_DEPTH = 4, 128  # smaller products take hardly longer than reading the matrix
ROWS_MEASURED = 32


def step_product(W: Array, rows: int, scale: Array | None = None) -> AddProduct:
    """A function (h, out) that computes out += h (scale W), called with the h of every step in turn.

    W: (I, O, K, M), one matrix from each of I blocks to each of O.  h: (I, rows, K).  out: (O, rows, M), the
    sum over I.  scale: (O,), 1 when not given.
    BLAS packs W again at every step before it multiplies, which with few rows costs about as much as the
    product.  So W is cut once into panels that suit the kernel without packing (see gemm.py), where that is
    faster.
    """
    _, _, K, M = W.shape
    shape = _panel_shape(K, M, rows)
    return _in_panels(W, rows, scale, *shape) if shape and _panels_pay(W) else _whole(W, rows, scale)


def _whole(W: Array, rows: int, scale: Array | None) -> AddProduct:
    scaled = W if scale is None else W * scale[:, None, None]
    products = np.empty((*W.shape[:2], rows, W.shape[3]), W.dtype)

    def add(h: Array, out: Array) -> None:
        np.matmul(h[:, None], scaled, out=products)
        for product in products:
            np.add(out, product, out=out)

    return add


def _in_panels(W: Array, rows: int, scale: Array | None, depth: int, width: int) -> AddProduct:
    """The product as sums over panels (depth, width)."""
    I, O, K, M = W.shape
    panels = W.reshape(I, O, K // depth, depth, M // width, width).transpose(0, 2, 1, 4, 3, 5)
    if W.strides[2] < W.strides[3]:  # a walk across all of a transposed matrix would miss the cache
        panels = np.ascontiguousarray(panels.swapaxes(4, 5)).swapaxes(4, 5)
    if scale is None:
        panels = np.ascontiguousarray(panels)
    else:
        panels = np.multiply(panels, scale[:, None, None, None], order="C")
    products = np.empty((I, K // depth, O, rows, M), W.dtype)
    columns = products.reshape(I, K // depth, O, rows, M // width, width).swapaxes(3, 4)
    summands = list(products.reshape(-1, O, rows, M))

    def add(h: Array, out: Array) -> None:
        pieces = h.reshape(I, rows, K // depth, 1, 1, depth).transpose(0, 2, 3, 4, 1, 5)
        np.matmul(pieces, panels, out=columns)
        for summand in summands:
            np.add(out, summand, out=out)

    return add


def _panel_shape(K: int, M: int, rows: int) -> tuple[int, int] | None:
    """Depth and width of the panels of a (K, M) matrix; None when no equal panels are worth the trouble."""
    for width in (64, 32):
        depth = K
        while depth % 2 == 0 and rows * depth * width > SMALL_PRODUCT:
            depth //= 2
        if M % width == 0 and depth >= LEAST_DEPTH and LEAST_ROWS <= rows <= SMALL_PRODUCT // (depth * width):
            return depth, width
    return None


def _panels_pay(W: Array) -> bool:
    (I, O, K, M), rows = W.shape, ROWS_MEASURED
    shape = _panel_shape(K, M, rows)
    if shape is None:
        return False

    def candidates() -> dict[str, tuning.Candidate]:
        ones, h, out = np.ones_like(W), np.ones((I, rows, K), W.dtype), np.zeros((O, rows, M), W.dtype)
        panels, whole = _in_panels(ones, rows, None, *shape), _whole(ones, rows, None)
        return {"panels": lambda: panels(h, out), "whole": lambda: whole(h, out)}

    return tuning.choose(f"step {I}-{O} K={K} M={M} {W.dtype}", ("panels", "whole"), candidates) == "panels"
