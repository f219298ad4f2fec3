"""Layer normalisation: every row separately, several at a time."""

from collections.abc import Callable
from math import inf
from typing import NamedTuple, TypeVar

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.cpu.normalization.rows import LONG_ROW, MIN_SIZE, PIECE, fit, is_far, largest_divisor
from minicap.backend.cpu.order import is_float
from minicap.backend.cpu.threads import PRODUCTS_AN_ENTRY, in_parts

T = TypeVar("T")

LONG_FOR_A_NUMBER = 512  # entries of a row that share one number; above, NumPy's smallest buffer is best
NOTICEABLE = 1 / 8  # of FAR's distance; from there on the rounding of a row's mean shows in its result


class LayernormCache(NamedTuple):
    x: Array  # (..., D) input as given
    centre: Array  # (R, 1)  mean of each of the R rows of x, rounded
    mean: Array  # (R, 1)  of x - centre, zeros where the means are near zero
    inv_std: Array  # (R, 1)
    gamma: Array  # (D,)


def supports(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> bool:
    """Whether these are enough floats, row after row in memory, with parameters and an eps that fit."""
    return (
        is_float(x)
        and 0 <= eps < inf
        and x.size >= MIN_SIZE
        and x.flags.c_contiguous
        and fit(x.dtype, x.shape[-1:], gamma, beta)
    )


def layernorm_forward(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> tuple[Array, LayernormCache]:
    """out = gamma (x - mean) / sqrt(var + eps) + beta, every row by itself."""
    D, out = len(gamma), np.empty_like(x)
    rows, out_rows = x.reshape(-1, D), out.reshape(-1, D)
    centre, mean, inv_std = np.zeros((3, len(rows), 1), x.dtype)
    ones, together = np.ones(D, x.dtype), _together(len(rows), D)
    gammas, betas = np.tile(gamma, together), np.tile(beta, together)

    def fill(part: slice) -> None:
        target = out_rows[part]
        centre[part, 0] = rows[part] @ ones / D
        np.subtract(rows[part], centre[part], out=target)
        var = np.vecdot(target, target) / D
        if is_far(centre[part, 0] / NOTICEABLE, var + float(eps)):
            mean[part, 0] = target @ ones / D
            target -= mean[part]
            var = np.vecdot(target, target) / D
        inv_std[part, 0] = 1 / np.sqrt(var + float(eps))
        target *= inv_std[part]
        long = target.reshape(-1, len(gammas))
        long *= gammas
        long += betas

    _each(fill, *rows.shape)
    return out, LayernormCache(x, centre, mean, inv_std, gamma)


def layernorm_backward(dout: Array, cache: LayernormCache) -> tuple[Array, Array, Array]:
    """dx = inv_std (g - mean(g) - x_hat mean(g x_hat))  with  g = gamma dout, every row by itself.

    With x_hat = (s - mean) inv_std and s = x - centre that is  inv_std (g + slope s + shift).
    """
    x, centre, mean, inv_std, gamma = cache
    check_dout(layernorm_backward, x.shape, dout=dout)
    D, dx = len(gamma), np.empty_like(x)
    rows, dout_rows, dx_rows = (np.ascontiguousarray(array).reshape(-1, D) for array in (x, dout, dx))
    gammas = np.tile(gamma, _together(len(rows), D))

    def fill(part: slice) -> tuple[Array, Array]:
        d, target = dout_rows[part], dx_rows[part]
        s = np.subtract(rows[part], centre[part], out=target)
        product, std = s * d, inv_std[part, 0]
        dgamma = std @ product - (std * mean[part, 0]) @ d
        g_mean = d @ gamma / D
        slope = -(std**2) * (product @ gamma / D - mean[part, 0] * g_mean)
        target *= slope[:, None]
        target -= (mean[part, 0] * slope + g_mean)[:, None]
        long = product.reshape(-1, len(gammas))
        np.multiply(d.reshape(long.shape), gammas, out=long)
        target += product
        target *= inv_std[part]
        return dgamma, np.ones(len(d), d.dtype) @ d

    dgamma, dbeta = (np.sum(f, axis=0, dtype=np.float64) for f in zip(*_each(fill, *rows.shape), strict=True))
    return dx, dgamma.astype(x.dtype), dbeta.astype(x.dtype)


def _each(work: Callable[[slice], T], rows: int, features: int) -> list[T]:
    """work(part) for parts of the rows that stay in cache, on all cores; gives the results in order.

    A part has a multiple of _together(rows, features) rows.
    """
    together = _together(rows, features)
    step = together * max(1, PIECE // (together * features))
    parts = [slice(first, first + step) for first in range(0, rows, step)]

    def some(part: slice) -> list[T]:
        buffer = np.setbufsize(16) if features >= LONG_FOR_A_NUMBER else np.getbufsize()
        try:
            return [work(rows) for rows in parts[part]]
        finally:
            np.setbufsize(buffer)

    found = in_parts(some, len(parts), PRODUCTS_AN_ENTRY * rows * features)
    return [result for results in found for result in results]


def _together(rows: int, features: int) -> int:
    """How many rows make a long one."""
    return largest_divisor(rows, max(1, LONG_ROW // features))


LAYERNORM = Override("layernorm", layernorm_forward, supports, LayernormCache, layernorm_backward)
