"""The product of one time step: few rows, times the same large matrices again and again."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from minicap.backend.arrays import Array
from minicap.backend.cpu import tuning
from minicap.backend.cpu.gemm import SMALL_PRODUCT

AddProduct: TypeAlias = Callable[[Array, Array], None]

LEAST_ROWS, LEAST_DEPTH = 4, 128  # a product of less is hardly more than reading the matrix
ROWS_MEASURED = 32


def step_product(W: Array, rows: int) -> AddProduct:
    """A function (h, out) that does out += h W for the h of one step after the other.

    W: (G, K, M), one matrix for each of G gates.  h: (rows, K).  out: (G, rows, M).
    BLAS packs W before it multiplies, at every step anew, and with few rows that costs about as much as the
    product.  So W is cut once into panels that suit the kernel without packing (see gemm.py), where that is
    quicker.
    """
    G, K, M = W.shape
    shape = _panel_shape(K, M, rows)
    return _in_panels(W, rows, *shape) if shape and _panels_pay(G, K, M, W.dtype) else _whole(W, rows)


def _whole(W: Array, rows: int) -> AddProduct:
    product = np.empty((len(W), rows, W.shape[2]), W.dtype)

    def add(h: Array, out: Array) -> None:
        np.matmul(h, W, out=product)
        np.add(out, product, out=out)

    return add


def _in_panels(W: Array, rows: int, depth: int, width: int) -> AddProduct:
    """The product as sums over panels (depth, width)."""
    G, K, M = W.shape
    panels = W.reshape(G, K // depth, depth, M // width, width).transpose(1, 0, 3, 2, 4)
    if W.strides[1] < W.strides[2]:  # a walk across all of a transposed matrix would miss the cache
        panels = np.ascontiguousarray(panels.swapaxes(3, 4)).swapaxes(3, 4)
    panels = np.ascontiguousarray(panels)
    sums = np.empty((K // depth, G, rows, M), W.dtype)
    columns = sums.reshape(K // depth, G, rows, M // width, width).swapaxes(2, 3)

    def add(h: Array, out: Array) -> None:
        pieces = h.reshape(rows, K // depth, depth).swapaxes(0, 1)
        np.matmul(pieces[:, None, None], panels, out=columns)
        for part in sums:
            np.add(out, part, out=out)

    return add


def _panel_shape(K: int, M: int, rows: int) -> tuple[int, int] | None:
    """Depth and width of the panels of a (K, M) matrix; None when it has no even ones worth the trouble."""
    for width in (64, 32):
        depth = K
        while depth % 2 == 0 and rows * depth * width > SMALL_PRODUCT:
            depth //= 2
        if M % width == 0 and depth >= LEAST_DEPTH and LEAST_ROWS <= rows <= SMALL_PRODUCT // (depth * width):
            return depth, width
    return None


def _panels_pay(G: int, K: int, M: int, dtype: np.dtype) -> bool:
    rows = ROWS_MEASURED
    shape = _panel_shape(K, M, rows)
    if shape is None:
        return False

    def candidates() -> dict[str, tuning.Candidate]:
        W, h, out = np.ones((G, K, M), dtype), np.ones((rows, K), dtype), np.zeros((G, rows, M), dtype)
        panels, whole = _in_panels(W, rows, *shape), _whole(W, rows)
        return {"panels": lambda: panels(h, out), "whole": lambda: whole(h, out)}

    return tuning.choose(f"step G={G} K={K} M={M} {dtype}", ("panels", "whole"), candidates) == "panels"
