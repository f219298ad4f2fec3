"""1x1 convolution: one matrix product on the H, W, N, C memory as it lies.

    out (positions, F) = x (positions, C) w^T (C, F) + b

so it is the affine layer at every pixel.  A stride just leaves pixels out.
"""

from functools import reduce

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.windows import Window
from minicap.backend.cpu import gemm
from minicap.backend.cpu.order import as_hwnc, hwnc
from minicap.backend.cpu.threads import in_parts

BLOCK_BYTES = 1 << 20  # outputs that the bias is added to while they are in cache
FEWEST_ROWS = 1024  # of a block: fewer do not make up for bringing in the filters


def fits(window: Window) -> bool:
    """Whether this algorithm can do it: one pixel at a time, no padding."""
    return window.size == (1, 1) and window.pad == ((0, 0), (0, 0))


def convolve(x: Array, w: Array, b: Array | None, out: Array, window: Window) -> None:
    """Fill out (N, F, OH, OW), which lies in H, W, N, F order, from x (N, C, H, W) and w (F, C, 1, 1)."""
    F, C = w.shape[:2]
    pixels, filters = _pixels(x, window), w.reshape(F, C).T
    outputs = as_hwnc(out).reshape(-1, F)
    step = max(FEWEST_ROWS, BLOCK_BYTES // (F * x.itemsize))

    def fill(part: slice) -> None:
        for start in range(part.start, part.stop, step):
            rows = slice(start, min(start + step, part.stop))
            block = outputs[rows]
            gemm.times(pixels[rows], filters, block)
            if b is not None:
                block += b

    in_parts(fill, len(outputs), outputs.size * C)


def gradients(dout: Array, x: Array, w: Array, dx: Array, window: Window) -> tuple[Array, Array]:
    """Fill dx, which lies in H, W, N, C order; return dw (F, C, 1, 1) and db (F,)."""
    F, C = w.shape[:2]
    sh, sw = window.stride
    pixels, douts, filters = _pixels(x, window), hwnc(dout).reshape(-1, F), w.reshape(F, C)
    at_once = window.stride == (1, 1)
    dpixels = as_hwnc(dx).reshape(-1, C) if at_once else np.empty_like(pixels)

    def fill(part: slice) -> tuple[Array, Array]:
        gemm.times(douts[part], filters, dpixels[part])
        return douts[part].T @ pixels[part], np.ones(part.stop - part.start, x.dtype) @ douts[part]

    parts = in_parts(fill, len(douts), douts.size * C)
    if not at_once:
        dx[...] = 0
        seen = as_hwnc(dx)[::sh, ::sw]
        seen[...] = dpixels.reshape(seen.shape)
    dw, db = (reduce(np.add, values) for values in zip(*parts, strict=True))
    return dw.reshape(w.shape), db


def _pixels(x: Array, window: Window) -> Array:
    """The pixels that the stride reaches: (OH*OW*N, C)."""
    sh, sw = window.stride
    return hwnc(x[:, :, ::sh, ::sw]).reshape(-1, x.shape[1])
