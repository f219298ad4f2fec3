"""Convolution as one matrix product over the columns of the whole batch; a ReLU after it is done with the
bias.

The product of the filters and the columns is (F, N, OH, OW): it is passed on as a view, channels first in
memory, and so is the gradient on its way back.
"""

from functools import reduce
from math import prod
from typing import Any, NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.arrays.windows import IntOrPair, Padding, Window, window_over
from minicap.backend.gpu.activations import relu_gradient
from minicap.backend.gpu.images import Planes, new_planes, planes, planes_in
from minicap.backend.gpu.launcher import MOST_ENTRIES, Kernel, readable
from minicap.errors import MinicapError

_im2col = Kernel("columns.cu", "im2col")
_col2im = Kernel("columns.cu", "col2im")
_add_bias = Kernel("columns.cu", "add_bias")

COLUMN_BYTES = 1 << 30  # columns made at a time, if that much memory is free
LEAST_COLUMN_BYTES = 16 << 20
ENTRIES_A_BLOCK = 2048  # as in columns.cu
KEPT_BYTES = 64 << 20  # columns that are kept for the backward; larger ones are made again


class ConvKernelCache(NamedTuple):
    x: Planes
    w: Array  # (F, C/groups, HH, WW)
    has_bias: bool
    window: Window
    groups: int
    columns: Array | None  # of the whole batch, (C * HH * WW, N * OH * OW)
    out: Planes | None = None  # of the ReLU after it, if any


class ConvReluKernelCache(ConvKernelCache):
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
) -> tuple[Array, ConvKernelCache]:
    """conv_forward of minicap.layers.conv.  relu: followed by ReLU."""
    window = window_over(conv_forward, x.shape[2:], w.shape[2:], stride, pad, dilation)
    given, filters = planes(x), w.reshape(groups, len(w) // groups, -1)
    pieces = _pieces(given, window)
    if len(pieces) == 1:
        columns = _im2col_of(given, window, pieces[0], groups)
        out = Planes(_products(filters, columns).reshape(len(w), len(x), *window.out), True)
        kept = columns if columns.nbytes <= KEPT_BYTES else None
    else:
        out, kept = new_planes((len(x), len(w), *window.out), x, True), None
        for some in pieces:
            product = _products(filters, _im2col_of(given, window, some, groups))
            out.memory[:, some] = product.reshape(len(w), -1, *window.out)
    if b is not None or relu:
        size = out.memory.size
        _add_bias.threads(size, b=b, out=out.memory, relu=int(relu), F=len(w), M=size // len(w))
    cache = ConvKernelCache(given, w, b is not None, window, groups, kept, out if relu else None)
    return out.images, cache


def conv_relu_forward(x: Array, *arguments: Any, **options: Any) -> tuple[Array, ConvReluKernelCache]:
    """conv_relu_forward of minicap.layers.sandwiches."""
    out, cache = conv_forward(x, *arguments, **options, relu=True)
    return out, ConvReluKernelCache(*cache)


def conv_backward(dout: Array, cache: ConvKernelCache, input_gradient: bool = True) -> tuple[Any, Array, Any]:
    """Its gradients: dx, None without input_gradient, dw, and db (F,), None without a bias."""
    x, w, has_bias, window, groups, kept, out = cache
    N = len(x.images)
    xp = check_dout(conv_backward, (N, len(w), *window.out), dout=dout)
    dout = planes_in(dout if out is None else relu_gradient(dout, out), channels_first=True)
    filters = w.reshape(groups, len(w) // groups, -1)
    dx = new_planes(x.images.shape, dout, x.channels_first) if input_gradient else None
    parts = []
    for some in _pieces(x, window):
        columns = _im2col_of(x, window, some, groups) if kept is None else kept
        dscores = dout[:, some].reshape(groups, len(w) // groups, -1)
        parts.append(_products(dscores, columns.swapaxes(1, 2)))
        if dx is None:
            continue
        dcolumns = xp.ascontiguousarray(_products(filters.swapaxes(1, 2), dscores))
        sizes = sizes_of(dx, window, some)
        blocks = sizes["C"] * _blocks(sizes["N"] * sizes["H"] * sizes["W"])
        _col2im.blocks(blocks, columns=dcolumns, x=dx.memory, **sizes)
    dw = reduce(xp.add, parts).reshape(w.shape)
    return None if dx is None else dx.images, dw, dout.sum(axis=(1, 2, 3)) if has_bias else None


def _products(a: Array, b: Array) -> Array:
    """a[g] b[g] for every group g.  A single product of two axes reads transposed matrices in place."""
    return (a[0] @ b[0])[None] if len(a) == 1 else a @ b


def _im2col_of(x: Planes, window: Window, some: slice, groups: int) -> Array:
    """The columns of some samples, (groups, C/groups * HH * WW, n * OH * OW)."""
    sizes = sizes_of(x, window, some)
    rows, places = sizes["C"] * prod(window.size), sizes["N"] * prod(window.out)
    columns = backend_of(x=x.memory).xp.empty((groups, rows // groups, places), dtype=x.memory.dtype)
    _im2col.blocks(rows * _blocks(places), x=x.memory, columns=columns, **sizes)
    return columns


def _blocks(entries: int) -> int:
    """Blocks for a row of columns, or for a channel of images."""
    return -(-entries // ENTRIES_A_BLOCK)


def _pieces(x: Planes, window: Window) -> list[slice]:
    """Groups of samples whose columns take about COLUMN_BYTES, or less where the device has little room.

    There are never more columns than 32 bits can count.
    """
    N, C, _, _ = x.images.shape
    one_sample = C * prod(window.size) * prod(window.out)
    entries = min(MOST_ENTRIES, _column_bytes(x.memory, N * one_sample) // x.memory.dtype.itemsize)
    step = max(1, entries // one_sample)
    return [slice(start, min(start + step, N)) for start in range(0, N, step)]


def _column_bytes(like: Any, entries: int) -> int:
    """How many bytes of columns are made at a time: at most a quarter of the memory that is free."""
    if entries * like.dtype.itemsize <= KEPT_BYTES:  # asking costs more than such columns
        return KEPT_BYTES
    cupy = backend_of(like=like).xp
    free = cupy.cuda.runtime.memGetInfo()[0] + cupy.get_default_memory_pool().free_bytes()
    return max(LEAST_COLUMN_BYTES, min(COLUMN_BYTES, free // 4))


def sizes_of(x: Planes, window: Window, some: slice) -> dict[str, int]:
    """What the kernels need to know about a window over some samples."""
    _, C, H, W = x.images.shape
    (HH, WW), (OH, OW), (top, _), (left, _) = window.size, window.out, *window.pad
    sizes = dict(entries=x.memory.size, first=some.start, N=some.stop - some.start, **x.steps)
    sizes |= dict(C=C, H=H, W=W, HH=HH, WW=WW, OH=OH, OW=OW, top=top, left=left)
    sizes |= dict(zip(("stride_h", "stride_w"), window.stride, strict=True))
    return sizes | dict(zip(("dilation_h", "dilation_w"), window.dilation, strict=True))


def supports(
    x: Array,
    w: Array,
    b: Array | None,
    stride: IntOrPair = 1,
    pad: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> bool:
    if not readable(x, w, b) or x.ndim != 4 or w.ndim != 4 or not isinstance(groups, int) or groups < 1:
        return False
    channels_fit = w.shape[1] * groups == x.shape[1] and len(w) % groups == 0
    bias_fits = b is None or (b.shape == (len(w),) and b.flags.c_contiguous)
    if not (channels_fit and bias_fits and w.flags.c_contiguous):
        return False
    try:
        places = prod(window_over(supports, x.shape[2:], w.shape[2:], stride, pad, dilation).out)
    except MinicapError:  # the textbook says what is wrong
        return False
    of_one_sample = x.shape[1] * prod(w.shape[2:]) * places  # entries of its columns
    return len(x) * len(w) * places <= MOST_ENTRIES and of_one_sample <= MOST_ENTRIES


OVERRIDES = (
    Override("conv", conv_forward, supports, ConvKernelCache, conv_backward),
    Override("conv_relu", conv_relu_forward, supports, ConvReluKernelCache, conv_backward),
)
