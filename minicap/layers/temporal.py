"""Layers applied to every step of a sequence alike."""

from typing import NamedTuple

from minicap.arrays import Array, accelerated
from minicap.layers.checks import check, check_dout


class TemporalAffineCache(NamedTuple):
    x: Array  # (N, T, D)
    w: Array  # (D, M)


@accelerated
def temporal_affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, TemporalAffineCache]:
    """Multiply the vector of every step by the same matrix:  out[n, t] = x[n, t] w + b.

    x: (N, T, D).  w: (D, M).  b: (M,).  Returns out (N, T, M) and the cache.
    Raises ShapeError when the sizes do not fit.
    """
    check(temporal_affine_forward, x=(x, "N T D"), w=(w, "D M"), b=(b, "M"))
    N, T, D = x.shape
    out = x.reshape(N * T, D) @ w + b
    return out.reshape(N, T, -1), TemporalAffineCache(x, w)


@accelerated
def temporal_affine_backward(dout: Array, cache: TemporalAffineCache) -> tuple[Array, Array, Array]:
    """Gradients of temporal_affine_forward.  dout: (N, T, M).  Returns dx (N, T, D), dw (D, M), db (M,).

    The steps are N T samples of one affine layer, and its three products are the same.
    """
    x, w = cache
    N, T, D = x.shape
    check_dout(temporal_affine_backward, (N, T, w.shape[1]), dout=dout)
    dout = dout.reshape(N * T, -1)
    dx = (dout @ w.T).reshape(N, T, D)
    dw = x.reshape(N * T, D).T @ dout
    db = dout.sum(axis=0)
    return dx, dw, db
