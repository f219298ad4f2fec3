"""Small affine layers: one kernel forward and one backward, where launches take the time."""

from typing import Any, NamedTuple

from minicap.backend.arrays import Array, backend_of
from minicap.backend.checks import check_dout
from minicap.backend.dispatch import Override
from minicap.backend.gpu.launcher import Kernel, readable
from minicap.backend.gpu.products import SMALL_PRODUCT, tiles

_affine_forward = Kernel("affine.cu", "affine_forward")
_affine_backward = Kernel("affine.cu", "affine_backward")


class AffineKernelCache(NamedTuple):
    x: Array  # (N, D)
    shape: tuple[int, ...]  # of x as given
    w: Array  # (D, M)


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, AffineKernelCache]:
    """affine_forward of minicap.layers.affine."""
    xp = backend_of(x=x).xp
    flat = xp.ascontiguousarray(x).reshape(len(x), -1)
    (N, D), M = flat.shape, w.shape[1]
    out = xp.empty((N, M), dtype=x.dtype)
    _affine_forward.blocks(tiles(N, M), x=flat, w=w, b=b, out=out, N=N, D=D, M=M)
    return out, AffineKernelCache(flat, x.shape, w)


def affine_backward(
    dout: Array, cache: AffineKernelCache, input_gradient: bool = True
) -> tuple[Any, Array, Array]:
    """Its gradients: dx, None without input_gradient, and dw, db."""
    x, shape, w = cache
    (N, D), M = x.shape, w.shape[1]
    xp = check_dout(affine_backward, (N, M), dout=dout)
    dx = xp.empty_like(x) if input_gradient else None
    dw, db = xp.empty_like(w), xp.empty(M, dtype=x.dtype)
    arrays = dict(dout=xp.ascontiguousarray(dout), x=x, w=w, dx=dx, dw=dw, db=db)
    of_dx = 0 if dx is None else tiles(N, D)
    _affine_backward.blocks(of_dx + tiles(D + 1, M), **arrays, N=N, D=D, M=M)
    return None if dx is None else dx.reshape(shape), dw, db


def _supports(x: Array, w: Array, b: Array) -> bool:
    if (
        not readable(x, w, b)
        or w.ndim != 2
        or x.ndim < 1
        or not w.flags.c_contiguous
        or not b.flags.c_contiguous
    ):
        return False
    return x.size == len(x) * len(w) and b.shape == w.shape[1:] and x.size * w.shape[1] <= SMALL_PRODUCT


OVERRIDES = (Override("affine", affine_forward, _supports, AffineKernelCache, affine_backward),)
