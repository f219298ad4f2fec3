"""Softmax and log softmax: one kernel forward, one backward."""

from math import prod
from typing import NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.launcher import Kernel, readable

_softmax_forward = Kernel("softmax.cu", "softmax_forward")
_softmax_backward = Kernel("softmax.cu", "softmax_backward")


class SoftmaxKernelCache(NamedTuple):
    out: Array  # (..., K)


class LogSoftmaxKernelCache(NamedTuple):
    out: Array  # (..., K)


def softmax_forward(x: Array) -> tuple[Array, SoftmaxKernelCache]:
    """softmax_forward of minicap.layers.softmax."""
    out = _forward(x, log=False)
    return out, SoftmaxKernelCache(out)


def softmax_backward(dout: Array, cache: SoftmaxKernelCache) -> Array:
    """Its gradient."""
    check_dout(softmax_backward, cache.out.shape, dout=dout)
    return _backward(dout, cache.out, log=False)


def log_softmax_forward(x: Array) -> tuple[Array, LogSoftmaxKernelCache]:
    """log_softmax_forward of minicap.layers.softmax."""
    out = _forward(x, log=True)
    return out, LogSoftmaxKernelCache(out)


def log_softmax_backward(dout: Array, cache: LogSoftmaxKernelCache) -> Array:
    """Its gradient."""
    check_dout(log_softmax_backward, cache.out.shape, dout=dout)
    return _backward(dout, cache.out, log=True)


def _forward(x: Array, log: bool) -> Array:
    xp, rows = backend_of(x=x).xp, prod(x.shape[:-1])
    x = xp.ascontiguousarray(x)
    out = xp.empty_like(x)
    _softmax_forward.blocks(rows, x=x, out=out, log_of_it=int(log), rows=rows, K=x.shape[-1])
    return out


def _backward(dout: Array, out: Array, log: bool) -> Array:
    xp, rows = backend_of(dout=dout).xp, prod(out.shape[:-1])
    arrays = dict(dout=xp.ascontiguousarray(dout), out=out, dx=xp.empty_like(out))
    _softmax_backward.blocks(rows, **arrays, log_of_it=int(log), rows=rows, K=out.shape[-1])
    return arrays["dx"]


def _supports(x: Array) -> bool:
    return x.ndim >= 1 and readable(x)


OVERRIDES = (
    Override("softmax", softmax_forward, _supports, SoftmaxKernelCache, softmax_backward),
    Override("log_softmax", log_softmax_forward, _supports, LogSoftmaxKernelCache, log_softmax_backward),
)
