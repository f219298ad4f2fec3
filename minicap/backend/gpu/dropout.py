"""Dropout in one kernel: random bits, mask and product."""

from math import prod
from typing import Any, NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.arrays.random import RandomStream, as_stream
from minicap.backend.gpu.images import Planes, memory_of, new_planes
from minicap.backend.gpu.launcher import Kernel, readable

_random_keep = Kernel("dropout.cu", "random_keep")
_dropout_forward = Kernel("dropout.cu", "dropout_forward")
_dropout_backward = Kernel("dropout.cu", "dropout_backward")


class DropoutKernelCache(NamedTuple):
    keep: Array  # (N, ...) bool, like x
    scale: float  # 1 / (1 - rate)
    channels_first: bool  # of x's memory


def dropout_forward(x: Array, rate: float, train: bool = True, rng: Any = None) -> tuple[Array, Any]:
    """dropout_forward of minicap.layers.dropout in training.  Images of any order come out (N, C, H, W)."""
    given, xp = memory_of(x), backend_of(x=x).xp
    out, keep = xp.empty(x.shape, dtype=x.dtype), xp.empty(x.shape, dtype=bool)
    cache = DropoutKernelCache(keep, 1 / (1 - float(rate)), given.channels_first)
    draw = draw_bits(as_stream(rng), rate, x.shape)
    arrays = dict(x=given.memory, out=out, keep=keep)
    _dropout_forward.threads(counters(x.shape), **arrays, **draw, scale=cache.scale, **_steps(given))
    return out, cache


def dropout_backward(dout: Array, cache: DropoutKernelCache) -> Array:
    """Its gradient, in the order of x:  dx = dout * keep / (1 - rate)."""
    keep, scale, channels_first = cache
    xp = check_dout(dropout_backward, keep.shape, dout=dout)
    dx = new_planes(keep.shape, dout, channels_first)
    dout = xp.ascontiguousarray(dout)
    arrays = dict(dout=dout, keep=keep, dx=dx.memory)
    _dropout_backward.threads(dout.size, **arrays, scale=scale, size=dout.size, **_steps(dx))
    return dx.images


def _steps(x: Planes) -> dict[str, int]:
    """The logical (N, C, P), and the distances between samples and between channels."""
    if not x.channels_first:
        return dict(C=1, P=x.memory.size, sample=0, channel=0)
    _, C, H, W = x.images.shape
    return dict(C=C, P=H * W, **x.steps)


class SpatialDropoutKernelCache(NamedTuple):
    shape: tuple[int, ...]  # of x
    keep: Array  # (N, C, 1, 1) bool
    scale: float


def spatial_dropout_forward(x: Array, rate: float, train: bool = True, rng: Any = None) -> tuple[Array, Any]:
    """spatial_dropout_forward of minicap.layers.dropout, training."""
    keep, scale = _keep(x, (*x.shape[:2], 1, 1), rate, rng), 1 / (1 - float(rate))
    return _hide(x, keep, scale), SpatialDropoutKernelCache(x.shape, keep, scale)


def spatial_dropout_backward(dout: Array, cache: SpatialDropoutKernelCache) -> Array:
    """Its gradient:  dx = dout * keep / (1 - rate)."""
    check_dout(spatial_dropout_backward, cache.shape, dout=dout)
    return _hide(dout, cache.keep, cache.scale)


class RecurrentDropoutKernelCache(NamedTuple):
    shape: tuple[int, ...]  # of x
    keep: Array  # (N, 1, D) bool
    scale: float


def recurrent_dropout_forward(
    x: Array, rate: float, train: bool = True, rng: Any = None
) -> tuple[Array, Any]:
    """recurrent_dropout_forward of minicap.layers.dropout, training."""
    keep, scale = _keep(x, (len(x), 1, x.shape[2]), rate, rng), 1 / (1 - float(rate))
    return _hide(x, keep, scale), RecurrentDropoutKernelCache(x.shape, keep, scale)


def recurrent_dropout_backward(dout: Array, cache: RecurrentDropoutKernelCache) -> Array:
    """Its gradient:  dx = dout * keep / (1 - rate)."""
    check_dout(recurrent_dropout_backward, cache.shape, dout=dout)
    return _hide(dout, cache.keep, cache.scale)


def _hide(x: Array, keep: Array, scale: float) -> Array:
    return x * (keep * x.dtype.type(scale))


def _keep(x: Array, shape: tuple[int, ...], rate: float, rng: Any) -> Array:
    keep = backend_of(x=x).xp.empty(shape, dtype=bool)
    _random_keep.threads(counters(shape), keep=keep, **draw_bits(as_stream(rng), rate, shape))
    return keep


def draw_bits(stream: RandomStream, rate: float, shape: tuple[int, ...]) -> dict[str, int]:
    """Where the block's bits begin in the stream, and the threshold from which an entry is kept."""
    start = int(stream.row) * prod(shape[1:])
    return dict(
        key=int(stream.key), start=start, threshold=min(round(float(rate) * 65536), 65535), size=prod(shape)
    )


def counters(shape: tuple[int, ...]) -> int:
    """How many counters, of 16 numbers each, a block of numbers may touch, wherever it begins."""
    return prod(shape) // 16 + 2


def is_source(rng: Any) -> bool:
    """Whether bits can be drawn from it."""
    return isinstance(rng, int) or hasattr(rng, "integers") or isinstance(rng, RandomStream)


def _supports(axes: int | None) -> Any:
    def supports(x: Array, rate: float, train: bool = True, rng: Any = None) -> bool:
        fits = axes is None or x.ndim == axes
        return bool(train) and is_source(rng) and fits and 0 < rate < 1 and readable(x)

    return supports


OVERRIDES = (
    Override("dropout", dropout_forward, _supports(None), DropoutKernelCache, dropout_backward),
    Override(
        "spatial_dropout",
        spatial_dropout_forward,
        _supports(4),
        SpatialDropoutKernelCache,
        spatial_dropout_backward,
    ),
    Override(
        "recurrent_dropout",
        recurrent_dropout_forward,
        _supports(3),
        RecurrentDropoutKernelCache,
        recurrent_dropout_backward,
    ),
)
