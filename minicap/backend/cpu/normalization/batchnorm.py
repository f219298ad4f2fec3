"""Batch normalisation.

Mean and variance come from the sums of x and x^2.  That would lose digits where some mean is far from zero;
then everything starts from x - centre, where centre is the running mean if it is near enough, else the mean.
"""

from math import inf
from typing import NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.cpu.normalization.grid import Grid, Piece
from minicap.backend.cpu.normalization.rows import MIN_SIZE, fit, is_far
from minicap.backend.cpu.order import Scratch, axis_order, in_order, is_dense, is_float


class BatchnormCache(NamedTuple):
    x: Array  # (N, D, ...) input as given
    mean: Array  # float64 (D,): of the batch in training, else the running one
    inv_std: Array  # float64 (D,)
    centre: Array | None  # (D,) near the mean, where that is far from zero
    gamma: Array  # (D,)
    train: bool
    running_mean: Array  # (D,) after this batch
    running_var: Array  # (D,) after this batch


def supports(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_var: Array,
    train: bool = True,
    momentum: float = 0.9,
    eps: float = 1e-5,
) -> bool:
    """Whether this is a dense array of enough floats, with parameters and options that fit."""
    return (
        is_float(x)
        and 0 <= momentum <= 1
        and 0 <= eps < inf
        and x.ndim >= 2
        and x.size >= MIN_SIZE
        and is_dense(x)
        and fit(x.dtype, x.shape[1:2], gamma, beta, running_mean, running_var)
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
    grid = Grid(x)
    centre = running_mean if is_far(running_mean, running_var + float(eps)) else None
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
    dout, dx, grid = in_order(dout, axis_order(x)), np.empty_like(x), Grid(x)
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


def _mean_and_var(
    grid: Grid, x: Array, centre: Array | None, eps: float
) -> tuple[Array, Array, Array | None]:
    """Mean and biased variance of every channel, float64 (D,), from sums about the centre.

    The centre is the caller's guess or, if that is far from a mean, the rounded means; it comes third.
    """
    entries = x.size // grid.channels
    rest, square = grid.sums(x, centre) / entries
    if is_far(rest, square - rest**2 + eps):
        centre = (rest if centre is None else centre + rest).astype(x.dtype)
        rest, square = grid.sums(x, centre) / entries
    mean = rest if centre is None else centre + rest
    return mean, np.maximum(square - rest**2, 0), centre


BATCHNORM = Override("batchnorm", batchnorm_forward, supports, BatchnormCache, batchnorm_backward)
