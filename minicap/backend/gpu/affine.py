"""Small affine layers: one kernel forward and one backward, where launches dominate the time.

For an affine layer of any size followed by ReLU and dropout, one kernel does all that follows the product.
"""

from typing import Any, NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.arrays.random import RandomStream, as_stream
from minicap.backend.gpu.activations import relu_gradient
from minicap.backend.gpu.dropout import counters, draw_bits, is_source
from minicap.backend.gpu.images import Planes
from minicap.backend.gpu.launcher import MOST_ENTRIES, Kernel, readable
from minicap.backend.gpu.products import LONGEST_SUM, SMALL_PRODUCT, tiles

_affine_forward = Kernel("affine.cu", "affine_forward")
_affine_backward = Kernel("affine.cu", "affine_backward")
_bias_relu_dropout = Kernel("dropout.cu", "bias_relu_dropout")


class AffineKernelCache(NamedTuple):
    x: Array  # (N, D)
    shape: tuple[int, ...]  # of x as given
    w: Array  # (D, M)


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, AffineKernelCache]:
    """affine_forward of minicap.layers.affine."""
    flat = backend_of(x=x).xp.ascontiguousarray(x).reshape(len(x), -1)
    return _small_product(flat, w, b), AffineKernelCache(flat, x.shape, w)


def affine_backward(
    dout: Array, cache: AffineKernelCache, input_gradient: bool = True
) -> tuple[Any, Array, Array]:
    """Its gradients: dx, None without input_gradient, and dw, db."""
    check_dout(affine_backward, (len(cache.x), cache.w.shape[1]), dout=dout)
    return _small_gradients(dout, cache, input_gradient)


def _small_product(x: Array, w: Array, b: Array | None) -> Array:
    """x w, and + b when given, for x (N, D)."""
    (N, D), M = x.shape, w.shape[1]
    out = backend_of(x=x).xp.empty((N, M), dtype=x.dtype)
    _affine_forward.blocks(tiles(N, M), x=x, w=w, b=b, out=out, N=N, D=D, M=M)
    return out


def _small_gradients(dout: Array, cache: Any, input_gradient: bool) -> tuple[Any, Array, Array]:
    xp, x, w = backend_of(dout=dout).xp, cache.x, cache.w
    (N, D), M = x.shape, w.shape[1]
    dx = xp.empty_like(x) if input_gradient else None
    dw, db = xp.empty_like(w), xp.empty(M, dtype=x.dtype)
    arrays = dict(dout=xp.ascontiguousarray(dout), x=x, w=w, dx=dx, dw=dw, db=db)
    of_dx = 0 if dx is None else tiles(N, D)
    _affine_backward.blocks(of_dx + tiles(D + 1, M), **arrays, N=N, D=D, M=M)
    return None if dx is None else dx.reshape(cache.shape), dw, db


class AffineReluDropoutKernelCache(NamedTuple):
    x: Array  # (N, D)
    shape: tuple[int, ...]  # of x as given
    w: Array  # (D, M)
    out: Array  # (N, M): 0 where ReLU or dropout hides an entry
    scale: float  # 1 / (1 - rate)


def affine_relu_dropout_forward(
    x: Array, w: Array, b: Array, rate: float = 0.0, train: bool = True, rng: Any = None
) -> tuple[Array, AffineReluDropoutKernelCache]:
    """affine_relu_dropout_forward of minicap.layers.sandwiches."""
    flat = backend_of(x=x).xp.ascontiguousarray(x).reshape(len(x), -1)
    out = _small_product(flat, w, None) if _is_small(flat, w) else flat @ w
    rate = float(rate) if train else 0.0
    scale = add_bias_relu_dropout(out, b, rate, as_stream(rng if rate else 0))
    return out, AffineReluDropoutKernelCache(flat, x.shape, w, out, scale)


def add_bias_relu_dropout(out: Array, b: Array, rate: float, stream: RandomStream) -> float:
    """Turn a product (N, M) into dropout(relu(product + b)), in place.  Returns the scale of what is kept."""
    (N, M), scale = out.shape, 1 / (1 - rate)
    draw = draw_bits(stream, rate, out.shape)
    del draw["size"]
    _bias_relu_dropout.threads(counters(out.shape), b=b, out=out, **draw, scale=scale, N=N, M=M)
    return scale


def affine_relu_dropout_backward(
    dout: Array, cache: AffineReluDropoutKernelCache, input_gradient: bool = True
) -> tuple[Any, Array, Array]:
    """Its gradients: dx, None without input_gradient, and dw, db."""
    x, shape, w, out, scale = cache
    check_dout(affine_relu_dropout_backward, out.shape, dout=dout)
    da = relu_gradient(dout, Planes(out, False), scale)
    if _is_small(x, w):
        return _small_gradients(da, cache, input_gradient)
    dx = (da @ w.T).reshape(shape) if input_gradient else None
    return dx, x.T @ da, da.sum(axis=0)


def _is_small(x: Array, w: Array) -> bool:
    """Whether the products, which sum over one of N, D and M each, are too small for cuBLAS."""
    return x.size * w.shape[1] <= SMALL_PRODUCT and max(*x.shape[:1], *w.shape) <= LONGEST_SUM


def _supports(x: Array, w: Array, b: Array) -> bool:
    return _fits(x, w, b) and _is_small(x, w)


def _supports_relu_dropout(
    x: Array, w: Array, b: Array, rate: float = 0.0, train: bool = True, rng: Any = None
) -> bool:
    drops = bool(train) and rate != 0
    return _fits(x, w, b) and 0 <= rate < 1 and (is_source(rng) or not drops)


def _fits(x: Array, w: Array, b: Array) -> bool:
    if (
        not readable(x, w, b)
        or w.ndim != 2
        or x.ndim < 1
        or not w.flags.c_contiguous
        or not b.flags.c_contiguous
    ):
        return False
    return x.size == len(x) * len(w) and b.shape == w.shape[1:] and len(x) * w.shape[1] <= MOST_ENTRIES


OVERRIDES = (
    Override("affine", affine_forward, _supports, AffineKernelCache, affine_backward),
    Override(
        "affine_relu_dropout",
        affine_relu_dropout_forward,
        _supports_relu_dropout,
        AffineReluDropoutKernelCache,
        affine_relu_dropout_backward,
    ),
)
