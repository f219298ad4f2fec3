"""The fully connected layer."""

from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.layers.checks import check, check_dout, flat_size, shape_error


class AffineCache(NamedTuple):
    x: Array  # (N, ...) input as given
    w: Array  # (D, M)


@accelerated
def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, AffineCache]:
    """Multiply every sample by a matrix and add a bias:  out = x w + b.

    x: (N, d1, ..., dk), flattened to (N, D).  w: (D, M).  b: (M,).
    Returns out (N, M) and the cache.
    Raises ShapeError when d1*...*dk is not D or b is not (M,).
    """
    check(affine_forward, x=(x, "N ..."), w=(w, "D M"), b=(b, "M"))
    if flat_size(x) != len(w):
        raise shape_error(
            affine_forward, f"x has {flat_size(x)} features per row but w expects {len(w)}", x=x, w=w
        )

    out = x.reshape(len(x), -1) @ w + b
    return out, AffineCache(x, w)


@accelerated
def affine_backward(dout: Array, cache: AffineCache, input_gradient: bool = True) -> tuple[Any, Array, Array]:
    """Gradients of affine_forward.  dout: (N, M).  Returns dx like x, dw (D, M), db (M,).

    input_gradient=False: dx is None, for a network's first layer, whose input needs no gradient.
    out[n, m] = sum_d x[n, d] w[d, m] + b[m], so each gradient is a product with dout.
    """
    x, w = cache
    check_dout(affine_backward, (len(x), w.shape[1]), dout=dout)

    dx = (dout @ w.T).reshape(x.shape) if input_gradient else None
    dw = x.reshape(len(x), -1).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db


def project(x: Array, w: Array) -> Array:
    """x w over the last axis of x, as one product.  x: (..., D).  w: (D, M).  Returns (..., M)."""
    return (x.reshape(-1, len(w)) @ w).reshape(*x.shape[:-1], -1)


def project_gradients(dout: Array, x: Array, w: Array) -> tuple[Array, Array]:
    """Gradients of project.  dout: (..., M).  Returns dx like x and dw (D, M)."""
    dout = dout.reshape(-1, w.shape[1])
    return (dout @ w.T).reshape(x.shape), x.reshape(-1, len(w)).T @ dout
