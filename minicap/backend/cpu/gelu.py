"""GELU of float32: value and slope come from one exponential, while a piece is in cache."""

from functools import cache
from math import erfc, pi, sqrt
from typing import NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.cpu.order import Scratch, axis_order, flat_pieces, in_order, is_dense, is_float
from minicap.backend.cpu.threads import PRODUCTS_AN_ENTRY, in_parts

MIN_SIZE = 1 << 14  # entries; below, calls cost more than passes
ENTRIES = 1 << 16  # of a piece; it and three temporaries stay in cache
TERMS = 9  # of the tail's polynomial: off by 4e-8 of its value, less than float32 resolves
_RATE = 0.35  # t = 1 / (1 + _RATE |x|)
_FARTHEST = 14.0  # beyond it, the tail underflows in float32


class GeluCache(NamedTuple):
    slope: Array  # like x: d out / d x


def supports(x: Array) -> bool:
    """Whether this is a dense array of float32 that is not small."""
    return is_float(x) and x.dtype == np.float32 and x.size >= MIN_SIZE and is_dense(x)


def gelu_forward(x: Array) -> tuple[Array, GeluCache]:
    """out = x Phi(x)  and  slope = Phi(x) + x phi(x).

    Phi(-|x|) = phi(x) t P(t)  with  t = 1 / (1 + r |x|): beside the density, a few powers are enough.
    """
    out, slope = np.empty_like(x), np.empty_like(x)
    pieces = list(flat_pieces(x, out, slope, entries=ENTRIES))
    coefficients = _polynomial()

    def some(part: slice) -> None:
        scratch = Scratch(np.float32)
        for piece in pieces[part]:
            _fill(piece, scratch, coefficients)

    in_parts(some, len(pieces), PRODUCTS_AN_ENTRY * x.size)
    return out, GeluCache(slope)


def gelu_backward(dout: Array, cache: GeluCache) -> Array:
    """dx = dout slope."""
    check_dout(gelu_backward, cache.slope.shape, dout=dout)
    return in_order(dout, axis_order(cache.slope)) * cache.slope


def _fill(piece: list[Array], scratch: Scratch, coefficients: tuple[np.float32, ...]) -> None:
    x, out, slope = piece
    t, pdf, tail = (scratch(name, len(x)) for name in ("t", "pdf", "tail"))
    np.abs(x, out=t)
    t *= np.float32(_RATE)
    t += np.float32(1)
    np.reciprocal(t, out=t)
    np.multiply(x, x, out=pdf)
    pdf *= np.float32(-0.5)
    np.exp(pdf, out=pdf)
    pdf *= np.float32(1 / sqrt(2 * pi))
    np.multiply(t, coefficients[0], out=tail)
    for c in coefficients[1:]:  # Horner
        tail += c
        tail *= t
    tail *= pdf
    np.subtract(np.float32(0.5), tail, out=tail)
    np.copysign(tail, x, out=tail)
    tail += np.float32(0.5)  # Phi(x)
    np.multiply(x, tail, out=out)
    np.multiply(x, pdf, out=slope)
    slope += tail


@cache
def _polynomial() -> tuple[np.float32, ...]:
    """P, the highest power first, fitted to the tail's relative error at Chebyshev points of t."""
    lowest = 1 / (1 + _RATE * _FARTHEST)
    angles = pi * (np.arange(2000) + 0.5) / 2000
    t = lowest + (1 - lowest) * (np.cos(angles) + 1) / 2
    x = (1 / t - 1) / _RATE
    tail = np.array([erfc(u / sqrt(2)) / 2 for u in x])
    wanted = tail * sqrt(2 * pi) * np.exp(x**2 / 2) / t
    powers = np.polynomial.chebyshev.chebvander(2 * t - 1, TERMS - 1)
    found = np.linalg.lstsq(powers / wanted[:, None], np.ones_like(t))[0]
    polynomial = np.polynomial.Chebyshev(found, [0, 1]).convert(kind=np.polynomial.Polynomial)
    return tuple(np.float32(c) for c in polynomial.coef[::-1])


OVERRIDES = (Override("gelu", gelu_forward, supports, GeluCache, gelu_backward),)
