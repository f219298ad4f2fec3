"""Convolution without columns in memory, also followed by ReLU: one kernel forward, two backward.

For every F multiplications, columns take four bytes written and read again: with few filters they cost more
than a product in cuBLAS saves.
"""

from math import prod
from typing import Any, NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.arrays.windows import IntOrPair, Padding, Window, window_over
from minicap.backend.gpu import conv
from minicap.backend.gpu.images import Planes, new_planes, planes, planes_in
from minicap.backend.gpu.launcher import Kernel
from minicap.backend.gpu.products import ENOUGH_BLOCKS, SMALL_PRODUCT, shared_out, tiles

_conv_forward = Kernel("conv.cu", "conv_forward")
_conv_backward = Kernel("conv.cu", "conv_backward")
_conv_add_parts = Kernel("conv.cu", "conv_add_parts")

# Filters and multiplications up to which columns are not made: 32 channels to 32 filters of 3 x 3, 256 photos
# of 32 x 32, fit.  Of more filters only small products.  A guess from the arithmetic: not yet timed on a GPU.
MOST_FILTERS, MOST_PRODUCTS = 128, 1 << 32
SHORTEST_PART = 512  # places that are worth a block of their own


class SmallConvCache(NamedTuple):
    x: Planes
    w: Array  # (F, C, HH, WW)
    has_bias: bool
    window: Window
    out: Array | None = None  # of the ReLU after it, if any


class SmallConvReluCache(SmallConvCache):
    """The same for a convolution with ReLU; a cache's type says which backward reads it."""


def conv_forward(
    x: Array,
    w: Array,
    b: Array | None,
    stride: IntOrPair = 1,
    pad: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    *,
    relu: bool = False,
) -> tuple[Array, SmallConvCache]:
    """conv_forward of minicap.layers.conv, for one group.  relu: followed by ReLU."""
    window = window_over(conv_forward, x.shape[2:], w.shape[2:], stride, pad, dilation)
    given, places = planes(x), len(x) * prod(window.out)
    out = backend_of(x=x).xp.empty((len(x), len(w), *window.out), dtype=x.dtype)
    sizes = dict(F=len(w), **conv.sizes_of(given, window, slice(0, len(x))))
    del sizes["first"]
    arrays = dict(x=given.memory, w=w, b=b, out=out)
    _conv_forward.blocks(tiles(len(w), places), **arrays, relu=int(relu), **sizes)
    return out, SmallConvCache(given, w, b is not None, window, out if relu else None)


def conv_relu_forward(x: Array, *arguments: Any, **options: Any) -> tuple[Array, SmallConvReluCache]:
    """conv_relu_forward of minicap.layers.sandwiches, for one group."""
    out, cache = conv_forward(x, *arguments, **options, relu=True)
    return out, SmallConvReluCache(*cache)


def conv_backward(dout: Array, cache: SmallConvCache, input_gradient: bool = True) -> tuple[Any, Array, Any]:
    """Its gradients: dx, None without input_gradient, dw, and db (F,), None without a bias."""
    x, w, has_bias, window, out = cache
    (N, C, H, W), F, K = x.images.shape, len(w), prod(w.shape[1:])
    xp = check_dout(conv_backward, (N, F, *window.out), dout=dout)
    dx = new_planes((N, C, H, W), dout, x.channels_first) if input_gradient else None
    dw = xp.empty_like(w)
    db = xp.empty(F, dtype=w.dtype) if has_bias else None
    places, of_dw = N * prod(window.out), tiles(F, K + 1)
    parts, length = shared_out(places, ENOUGH_BLOCKS // of_dw, SHORTEST_PART)
    partial = xp.empty((parts, F, K + 1), dtype=w.dtype)
    arrays = dict(dout=planes_in(dout, False), out=out, x=x.memory, w=w, partial=partial)
    arrays["dx"] = None if dx is None else dx.memory
    sizes = dict(F=F, **conv.sizes_of(x, window, slice(0, N)))
    del sizes["first"]
    blocks = parts * of_dw + (0 if dx is None else tiles(C, N * H * W))
    _conv_backward.blocks(blocks, **arrays, **sizes, parts=parts, length=length)
    _conv_add_parts.blocks(-(-F * (K + 1) // 32), partial=partial, dw=dw, db=db, parts=parts, F=F, K=K)
    return None if dx is None else dx.images, dw, db


def _supports(
    x: Array,
    w: Array,
    b: Array | None,
    stride: IntOrPair = 1,
    pad: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> bool:
    if groups != 1 or not conv.supports(x, w, b, stride, pad, dilation, groups):
        return False
    # Without a stride there are at most about as many places as pixels.
    limit = MOST_PRODUCTS if len(w) <= MOST_FILTERS else SMALL_PRODUCT
    return len(x) * prod(x.shape[2:]) * w.size <= limit


OVERRIDES = (
    Override("conv", conv_forward, _supports, SmallConvCache, conv_backward),
    Override("conv_relu", conv_relu_forward, _supports, SmallConvReluCache, conv_backward),
)
