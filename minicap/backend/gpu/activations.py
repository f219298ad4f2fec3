"""The rectifier, which keeps the memory order of images."""

from typing import NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.images import Planes, memory_of, planes_in
from minicap.backend.gpu.launcher import Kernel, readable

_relu_forward = Kernel("activations.cu", "relu_forward")
_relu_backward = Kernel("activations.cu", "relu_backward")


class ReluKernelCache(NamedTuple):
    out: Planes


def relu_forward(x: Array) -> tuple[Array, ReluKernelCache]:
    """relu_forward of minicap.layers.activations."""
    given = memory_of(x)
    out = Planes(backend_of(x=x).xp.empty_like(given.memory), given.channels_first)
    _relu_forward.threads(x.size, x=given.memory, out=out.memory, size=x.size)
    return out.images, ReluKernelCache(out)


def relu_backward(dout: Array, cache: ReluKernelCache) -> Array:
    """Its gradient, from the output:  dx = dout where out > 0."""
    check_dout(relu_backward, cache.out.images.shape, dout=dout)
    return relu_gradient(dout, cache.out)


def relu_gradient(dout: Array, out: Planes, scale: float = 1.0) -> Array:
    """dout * scale where out > 0, in the memory order of out."""
    dx = Planes(backend_of(dout=dout).xp.empty_like(out.memory), out.channels_first)
    arrays = dict(out=out.memory, dout=planes_in(dout, out.channels_first), dx=dx.memory)
    _relu_backward.threads(dout.size, **arrays, scale=scale, size=dout.size)
    return dx.images


def _supports(x: Array) -> bool:
    return readable(x)


OVERRIDES = (Override("relu", relu_forward, _supports, ReluKernelCache, relu_backward),)
