"""Batch and layer normalisation a piece at a time, so that every array is read from memory once a pass.

Batch normalisation sees an array as a matrix with a row for all channels, of several pixels where the channel
is the fastest axis in memory, of all pixels where it is not.  Then a parameter is a row too, and long rows
are what ufuncs are fast on.  Sums are BLAS's: products with a row of ones, dot products of pixels.

Mean and variance come from the sums of x and x^2.  Where some mean is far from zero that would lose digits;
then everything starts from x - centre, with the running mean as centre if it is near enough, else the mean.
"""

from collections.abc import Callable
from functools import cache
from math import prod
from typing import NamedTuple, TypeVar

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.cpu.order import Scratch, axis_order, in_order, is_dense, is_float
from minicap.backend.cpu.threads import PRODUCTS_AN_ENTRY, in_parts

T = TypeVar("T")

MIN_SIZE = 1 << 15  # entries; below, calls cost more than passes
PIECE = 1 << 19  # entries
LONG_ROW = 1 << 14  # entries; NumPy's ufuncs copy what they broadcast over rows below its buffer size, 8192
LONG_FOR_A_NUMBER = 512  # entries of a row that meet one number; then NumPy's smallest buffer is the best
FAR = 4  # a mean whose square is more variances than this is far from zero
NOTICEABLE = 1 / 8  # of FAR's distance; from there on the rounding of a row's mean shows in its result


class BatchnormCache(NamedTuple):
    x: Array  # (N, D, ...) input as given
    mean: Array  # float64 (D,): of the batch in training, else the running one
    inv_std: Array  # float64 (D,)
    centre: Array | None  # (D,) near the mean, where that is far from zero
    gamma: Array  # (D,)
    train: bool
    running_mean: Array  # (D,) after this batch
    running_var: Array  # (D,) after this batch


def supports_batchnorm(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_var: Array,
    train: bool = True,
    momentum: float = 0.9,
    eps: float = 1e-5,
) -> bool:
    """Not few floats without gaps in memory, and parameters and options that fit."""
    return (
        is_float(x)
        and 0 <= momentum <= 1
        and eps >= 0
        and x.ndim >= 2
        and x.size >= MIN_SIZE
        and is_dense(x)
        and _fit(x.dtype, x.shape[1:2], gamma, beta, running_mean, running_var)
    )


def batchnorm_forward(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_var: Array,
    train: bool = True,
    momentum: float = 0.9,
    eps: float = 1e-5,
) -> tuple[Array, BatchnormCache]:
    """out = scale (x - centre) + shift  with  scale = gamma / sqrt(var + eps)."""
    grid = _Grid(x)
    centre = running_mean if _is_far(running_mean, running_var + float(eps)) else None
    if train:
        mean, var, centre = _mean_and_var(grid, x, centre, float(eps))
        momentum = float(momentum)
        running_mean = (momentum * running_mean + (1 - momentum) * mean).astype(x.dtype)
        running_var = (momentum * running_var + (1 - momentum) * var).astype(x.dtype)
    else:
        mean, var = running_mean.astype(np.float64), running_var.astype(np.float64)
    inv_std = 1 / np.sqrt(var + float(eps))
    scale, out = gamma * inv_std, np.empty_like(x)
    from_centre = mean if centre is None else mean - centre
    scales, shifts = grid.row(scale), grid.row(beta - scale * from_centre)
    centres = None if centre is None else grid.row(centre)
    x_rows, out_rows = grid.matrix(x), grid.matrix(out)

    def fill(index: int, piece: Piece, scratch: Scratch) -> None:
        at, columns = piece.at, piece.columns
        source, target = x_rows[at], out_rows[at]
        if centres is not None:
            source = np.subtract(source, centres[columns], out=target)
        np.multiply(source, scales[columns], out=target)
        target += shifts[columns]

    grid.each(fill)
    return out, BatchnormCache(x, mean, inv_std, centre, gamma, train, running_mean, running_var)


def batchnorm_backward(dout: Array, cache: BatchnormCache) -> tuple[Array, Array, Array]:
    """In training  dx = scale (dout - mean(dout) - x_hat mean(dout x_hat)),  else  dx = scale dout.

    With x_hat = (x - mean) inv_std that is  scale (dout + slope (x - centre) + shift).
    """
    x, mean, inv_std, centre, gamma, train, _, _ = cache
    check_dout(batchnorm_backward, x.shape, dout=dout)
    dout, dx, grid = in_order(dout, axis_order(x)), np.empty_like(x), _Grid(x)
    dbeta, dgamma = grid.sums(x, centre, dout)
    from_centre = mean if centre is None else mean - centre
    dgamma = inv_std * (dgamma - from_centre * dbeta)

    M = x.size // len(mean)
    slope = -inv_std * dgamma / M
    scales, slopes = grid.row(gamma * inv_std), grid.row(slope)
    shifts = grid.row(-dbeta / M - slope * from_centre)
    centres = None if centre is None else grid.row(centre)
    x_rows, dout_rows, dx_rows = (grid.matrix(array) for array in (x, dout, dx))

    def fill(index: int, piece: Piece, scratch: Scratch) -> None:
        at, columns = piece.at, piece.columns
        target = dx_rows[at]
        if not train:
            np.multiply(dout_rows[at], scales[columns], out=target)
            return
        source = x_rows[at]
        if centres is not None:
            source = np.subtract(source, centres[columns], out=target)
        np.multiply(source, slopes[columns], out=target)
        target += shifts[columns]
        target += dout_rows[at]
        target *= scales[columns]

    grid.each(fill)
    return dx, dgamma.astype(x.dtype), dbeta.astype(x.dtype)


class Piece(NamedTuple):
    """A part of a matrix that stays in cache."""

    rows: slice
    columns: slice
    channels: int  # in the columns
    first: int  # of these channels

    @property
    def at(self) -> tuple[slice, slice]:
        return self.rows, self.columns


class _Grid:
    """Arrays (N, D, ...) of one memory order as matrices, and the pieces these are cut into.

    A row holds every channel of `together` outer positions, each with the `inside` entries that lie within it
    in memory: (together, D, inside).
    """

    def __init__(self, x: Array) -> None:
        self.order, self.channels, self.dtype = axis_order(x), x.shape[1], x.dtype
        self.inside = prod(x.shape[axis] for axis in self.order[self.order.index(1) + 1 :])
        pixels = self.channels * self.inside
        self.together = _largest_divisor(x.size // pixels, max(1, LONG_ROW // pixels))
        self.shape = rows, width = x.size // (self.together * pixels), self.together * pixels
        if width <= PIECE:
            step = PIECE // width
            whole = slice(0, width), self.channels, 0
            self.pieces = [Piece(slice(i, i + step), *whole) for i in range(0, rows, step)]
        else:
            step = max(1, PIECE // self.inside)
            starts = range(0, self.channels, step)
            blocks = [(first, min(step, self.channels - first)) for first in starts]
            self.pieces = [
                Piece(slice(i, i + 1), slice(first * self.inside, (first + some) * self.inside), some, first)
                for i in range(rows)
                for first, some in blocks
            ]

    def matrix(self, array: Array) -> Array:
        return array.transpose(self.order).reshape(self.shape)

    def row(self, parameter: Array) -> Array:
        """(D,) as a row of the matrix."""
        return np.tile(np.repeat(parameter.astype(self.dtype), self.inside), self.together)

    def each(self, work: Callable[[int, Piece, Scratch], None]) -> None:
        """work(index, piece, scratch) for every piece, on all cores."""

        def some(part: slice) -> None:
            scratch = Scratch(self.dtype)
            for index, piece in enumerate(self.pieces[part], part.start):
                work(index, piece, scratch)

        in_parts(some, len(self.pieces), PRODUCTS_AN_ENTRY * prod(self.shape))

    def sums(self, x: Array, centre: Array | None, other: Array | None = None) -> Array:
        """Sums over every channel of  o  and of  (x - centre) o,  float64 (2, D).

        o is other, or x - centre itself without one.
        """
        x_rows, other_rows = self.matrix(x), None if other is None else self.matrix(other)
        centres = None if centre is None else self.row(centre)
        # Of every piece by itself, to be added up in one order for any number of threads.
        found = np.zeros((len(self.pieces), 2, self.channels))

        def work(index: int, piece: Piece, scratch: Scratch) -> None:
            centred = x_rows[piece.at]
            if centres is not None:
                centred = np.subtract(centred, centres[piece.columns], out=scratch("centred", *centred.shape))
            o = centred if other_rows is None else other_rows[piece.at]
            channels = slice(piece.first, piece.first + piece.channels)
            if self.inside == 1:
                product = np.multiply(centred, o, out=scratch("product", *o.shape))
                ones = np.ones(len(o), self.dtype)
                columns = np.stack([ones @ o, ones @ product])
                found[index, :, channels] = columns.reshape(2, -1, piece.channels).sum(
                    axis=1, dtype=np.float64
                )
            else:
                o, centred = (a.reshape(-1, piece.channels, self.inside) for a in (o, centred))
                ones = np.ones(self.inside, self.dtype)
                found[index, 0, channels] = np.vecdot(o, ones).sum(axis=0, dtype=np.float64)
                found[index, 1, channels] = np.vecdot(o, centred).sum(axis=0, dtype=np.float64)

        self.each(work)
        return found.sum(axis=0)


def _mean_and_var(
    grid: _Grid, x: Array, centre: Array | None, eps: float
) -> tuple[Array, Array, Array | None]:
    """Mean and biased variance of every channel, float64 (D,), from sums about the centre.

    The centre is the caller's guess, or where that is far from a mean, the means, rounded; it comes third.
    """
    entries = x.size // grid.channels
    rest, square = grid.sums(x, centre) / entries
    if _is_far(rest, square - rest**2 + eps):
        centre = (rest if centre is None else centre + rest).astype(x.dtype)
        rest, square = grid.sums(x, centre) / entries
    mean = rest if centre is None else centre + rest
    return mean, np.maximum(square - rest**2, 0), centre


def _is_far(mean: Array, var: Array) -> bool:
    """Whether a mean must be taken off before anything is multiplied, lest rounding shows."""
    return bool((mean**2 > FAR * var).any())


class LayernormCache(NamedTuple):
    x: Array  # (..., D) input as given
    centre: Array  # (R, 1)  mean of each of the R rows of x, rounded
    mean: Array  # (R, 1)  of x - centre, zeros where the means are near zero
    inv_std: Array  # (R, 1)
    gamma: Array  # (D,)


def supports_layernorm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> bool:
    """Not few floats, row after row in memory, and parameters and an eps that fit."""
    return (
        is_float(x)
        and eps >= 0
        and x.size >= MIN_SIZE
        and x.flags.c_contiguous
        and _fit(x.dtype, x.shape[-1:], gamma, beta)
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
        if _is_far(centre[part, 0] / NOTICEABLE, var + float(eps)):
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
    """work(part) for parts of the rows that stay in cache, on all cores; the results in the parts' order.

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
    return _largest_divisor(rows, max(1, LONG_ROW // features))


def _fit(dtype: np.dtype, shape: tuple[int, ...], *parameters: Array) -> bool:
    return all(isinstance(p, np.ndarray) and p.dtype == dtype and p.shape == shape for p in parameters)


@cache
def _largest_divisor(number: int, most: int) -> int:
    return next(d for d in range(most, 0, -1) if number % d == 0)


OVERRIDES = (
    Override("batchnorm", batchnorm_forward, supports_batchnorm, BatchnormCache, batchnorm_backward),
    Override("layernorm", layernorm_forward, supports_layernorm, LayernormCache, layernorm_backward),
)
