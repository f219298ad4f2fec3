"""Layers applied to every step of a sequence."""

from typing import NamedTuple

from minicap.arrays import Array, accelerated
from minicap.layers.affine import project, project_gradients
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

    out = project(x, w) + b
    return out, TemporalAffineCache(x, w)


@accelerated
def temporal_affine_backward(dout: Array, cache: TemporalAffineCache) -> tuple[Array, Array, Array]:
    """Gradients of temporal_affine_forward.  dout: (N, T, M).  Returns dx (N, T, D), dw (D, M), db (M,).

    The steps are N T samples of one affine layer, with the same three products.
    """
    x, w = cache
    check_dout(temporal_affine_backward, (*x.shape[:2], w.shape[1]), dout=dout)

    dx, dw = project_gradients(dout, x, w)
    db = dout.sum(axis=(0, 1))
    return dx, dw, db
