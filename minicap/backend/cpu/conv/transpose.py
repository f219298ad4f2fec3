"""The transposed convolution, by the columns of a convolution with its two halves swapped, a block at a time.

In that convolution's terms, out is the gradient of the images and x is the gradient of the output.
"""

from typing import Any, NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.arrays.windows import IntOrPair, Window, whole, window_under
from minicap.backend.cpu.conv import columns
from minicap.backend.cpu.conv.override import each_group
from minicap.backend.cpu.conv.problem import FEWEST_PRODUCTS
from minicap.backend.cpu.order import empty_images, is_float
from minicap.backend.cpu.threads import in_parts
from minicap.errors import MinicapError


class ConvTransposeCache(NamedTuple):
    x: Array  # (N, C, H, W) input as given
    w: Array  # (C, F/groups, HH, WW)
    has_bias: bool
    window: Window  # slides over out
    groups: int


def supports(
    x: Any,
    w: Any,
    b: Any,
    stride: IntOrPair = 1,
    pad: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    output_pad: IntOrPair = 0,
) -> bool:
    """Whether these are enough floats that fit; the textbook reports what is wrong with others."""
    arrays = (x, w) if b is None else (x, w, b)
    if not all(is_float(a) and a.dtype == x.dtype for a in arrays) or (x.ndim, w.ndim) != (4, 4):
        return False
    try:
        groups = whole(supports, "groups", groups)
        window_under(supports, x.shape[2:], w.shape[2:], stride, pad, dilation, output_pad)
    except MinicapError:
        return False
    return (
        x.shape[1] == len(w)
        and len(w) % groups == 0
        and (b is None or b.shape == (w.shape[1] * groups,))
        and _products(x, w) >= FEWEST_PRODUCTS
    )


def conv_transpose_forward(
    x: Array,
    w: Array,
    b: Array | None,
    stride: IntOrPair = 1,
    pad: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    output_pad: IntOrPair = 0,
) -> tuple[Array, ConvTransposeCache]:
    """Every block of pixels adds to its part of the image."""
    window = window_under(conv_transpose_forward, x.shape[2:], w.shape[2:], stride, pad, dilation, output_pad)
    out = empty_images((len(x), w.shape[1] * groups, *window.image), x.dtype)

    def fill(some: slice) -> None:
        for c, f in each_group(groups, len(w), out.shape[1]):
            columns.input_gradient(x[some, c], w[c], out[some, f], window)

    in_parts(fill, len(x), _products(x, w))
    if b is not None:
        out += b[:, None, None]
    return out, ConvTransposeCache(x, w, b is not None, window, groups)


def conv_transpose_backward(dout: Array, cache: ConvTransposeCache) -> tuple[Array, Array, Any]:
    """dx is a convolution of dout, dw the gradient of its filters."""
    x, w, has_bias, window, groups = cache
    F = w.shape[1] * groups
    check_dout(conv_transpose_backward, (len(x), F, *window.image), dout=dout)
    dx = empty_images(x.shape, x.dtype)

    def fill(some: slice) -> Array:
        dw = np.empty_like(w)
        for c, f in each_group(groups, len(w), F):
            columns.convolve(dout[some, f], w[c], None, dx[some, c], window)
            dw[c], _ = columns.gradients(x[some, c], dout[some, f], w[c], None, window)
        return dw

    dw, *others = in_parts(fill, len(x), 2 * _products(x, w))
    for other in others:
        dw += other
    return dx, dw, dout.sum(axis=(0, 2, 3)) if has_bias else None


def _products(x: Array, w: Array) -> int:
    return x.size * w[0].size


TRANSPOSE = Override(
    "conv_transpose", conv_transpose_forward, supports, ConvTransposeCache, conv_transpose_backward
)
