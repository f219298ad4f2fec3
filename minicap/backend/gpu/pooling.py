"""Maximum and average pooling: one kernel forward, one backward, in the memory order of the images."""

from typing import Any, NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.arrays.windows import IntOrPair, Window, pair, pooling_window
from minicap.backend.gpu.images import Planes, planes, planes_in
from minicap.backend.gpu.launcher import Kernel, readable

_max_pool = Kernel("pooling.cu", "max_pool")
_max_pool_gradient = Kernel("pooling.cu", "max_pool_gradient")
_avg_pool = Kernel("pooling.cu", "avg_pool")
_avg_pool_gradient = Kernel("pooling.cu", "avg_pool_gradient")


class MaxPoolKernelCache(NamedTuple):
    winner: Planes  # int32 (N, C, OH, OW): the place of each maximum in its plane, -1 where there is none
    shape: tuple[int, ...]  # of x
    window: Window


class ReluMaxPoolKernelCache(MaxPoolKernelCache):
    """The same after ReLU; a cache's type says which backward reads it."""


def max_pool_forward(
    x: Array,
    size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    pad: IntOrPair = 0,
    ceil_mode: bool = False,
    *,
    relu: bool = False,
) -> tuple[Array, MaxPoolKernelCache]:
    """max_pool_forward of minicap.layers.pooling.  relu: of the rectified x."""
    window = pooling_window(max_pool_forward, x.shape[2:], size, stride, pad, ceil_mode)
    given, xp = planes(x), backend_of(x=x).xp
    pooled = (*given.memory.shape[:2], *window.out)
    out, winner = xp.empty(pooled, dtype=x.dtype), xp.empty(pooled, dtype="int32")
    arrays, sizes = dict(x=given.memory, out=out, winner=winner), _sizes(given.memory, window)
    _max_pool.threads(out.size, **arrays, relu=int(relu), **sizes)
    cache = MaxPoolKernelCache(Planes(winner, given.channels_first), x.shape, window)
    return Planes(out, given.channels_first).images, cache


def relu_max_pool_forward(x: Array, *arguments: Any, **options: Any) -> tuple[Array, ReluMaxPoolKernelCache]:
    """relu_max_pool_forward of minicap.layers.sandwiches."""
    out, cache = max_pool_forward(x, *arguments, **options, relu=True)
    return out, ReluMaxPoolKernelCache(*cache)


def max_pool_backward(dout: Array, cache: MaxPoolKernelCache) -> Array:
    """Its gradient: a pixel gets dout of the windows that it won."""
    winner, shape, window = cache
    xp = check_dout(max_pool_backward, winner.images.shape, dout=dout)
    dx = Planes(xp.empty((*winner.memory.shape[:2], *shape[2:]), dtype=dout.dtype), winner.channels_first)
    arrays = dict(dout=planes_in(dout, winner.channels_first), winner=winner.memory, dx=dx.memory)
    _max_pool_gradient.threads(dx.memory.size, **arrays, **_sizes(dx.memory, window))
    return dx.images


class AvgPoolKernelCache(NamedTuple):
    shape: tuple[int, ...]  # of x
    channels_first: bool  # of x's memory
    window: Window
    margin: tuple[int, int]  # of the padding that counts


def avg_pool_forward(
    x: Array,
    size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    pad: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> tuple[Array, AvgPoolKernelCache]:
    """avg_pool_forward of minicap.layers.pooling."""
    window = pooling_window(avg_pool_forward, x.shape[2:], size, stride, pad, ceil_mode)
    margin = pair(avg_pool_forward, "pad", pad, least=0) if count_include_pad else (0, 0)
    given = planes(x)
    out = backend_of(x=x).xp.empty((*given.memory.shape[:2], *window.out), dtype=x.dtype)
    sizes = _sizes(given.memory, window) | dict(margin_h=margin[0], margin_w=margin[1])
    _avg_pool.threads(out.size, x=given.memory, out=out, **sizes)
    cache = AvgPoolKernelCache(x.shape, given.channels_first, window, margin)
    return Planes(out, given.channels_first).images, cache


def avg_pool_backward(dout: Array, cache: AvgPoolKernelCache) -> Array:
    """Its gradient: a pixel gets a share of dout of every window that it is in."""
    shape, channels_first, window, margin = cache
    xp = check_dout(avg_pool_backward, (*shape[:2], *window.out), dout=dout)
    dout = planes_in(dout, channels_first)
    dx = Planes(xp.empty((*dout.shape[:2], *shape[2:]), dtype=dout.dtype), channels_first)
    sizes = _sizes(dx.memory, window) | dict(margin_h=margin[0], margin_w=margin[1])
    _avg_pool_gradient.threads(dx.memory.size, dout=dout, dx=dx.memory, **sizes)
    return dx.images


def _sizes(memory: Array, window: Window) -> dict[str, int]:
    """What the kernels need to know about a window over planes."""
    (HH, WW), (OH, OW), (top, _), (left, _) = window.size, window.out, *window.pad
    H, W = window.image
    sizes = dict(
        P=memory.shape[0] * memory.shape[1], H=H, W=W, OH=OH, OW=OW, HH=HH, WW=WW, top=top, left=left
    )
    return sizes | dict(zip(("stride_h", "stride_w"), window.stride, strict=True))


def _supports(x: Array, *_options: object, **_named: object) -> bool:
    return readable(x) and x.ndim == 4


OVERRIDES = (
    Override("max_pool", max_pool_forward, _supports, MaxPoolKernelCache, max_pool_backward),
    Override("relu_max_pool", relu_max_pool_forward, _supports, ReluMaxPoolKernelCache, max_pool_backward),
    Override("avg_pool", avg_pool_forward, _supports, AvgPoolKernelCache, avg_pool_backward),
)
