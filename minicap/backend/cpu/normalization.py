"""Batch normalisation a piece at a time, so that every array is read from memory once a pass.

Where the channel is the fastest axis in memory, (N, D) or images over H, W, N, C, the data are a matrix with
one row for all channels.  Sums over its rows are products with a row of ones, many times faster than
`sum(axis=0)`, and every piece is summed on its own: its mean, and its squared distances from that mean, which
are then joined in float64 (Chan et al. 1982, eq. 2.1).  Nothing large is subtracted from anything large, so
mean and variance are as accurate as the textbook's.
"""

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from minicap.backend.arrays import Array
from minicap.backend.checks import check_dout
from minicap.backend.cpu.memory import axis_order, in_order, is_float
from minicap.backend.dispatch import Override

MIN_SIZE = 1 << 15  # entries; below, calls cost more than passes
PIECE = 1 << 17  # entries
LONG_ROW = 2048  # entries; shorter rows cost a ufunc more in calls than in arithmetic


class BatchnormCache(NamedTuple):
    x: Array  # (N, D, ...) input as given
    mean: Array  # float64 (D,): of the batch in training, else the running one
    inv_std: Array  # float64 (D,)
    gamma: Array  # (D,)
    train: bool
    running_mean: Array  # (D,) after this batch
    running_var: Array  # (D,) after this batch


def supports_batchnorm(
    x: Array, gamma: Array, beta: Array, running_mean: Array, running_var: Array, *_o: object, **_n: object
) -> bool:
    """Not few floats, with the channel as the fastest axis and no gaps, and parameters that fit."""
    if not is_float(x) or x.ndim < 2 or x.size < MIN_SIZE:
        return False
    order = axis_order(x)
    return (
        order[-1] == 1
        and x.transpose(order).flags.c_contiguous
        and all(
            isinstance(p, np.ndarray) and p.dtype == x.dtype and p.shape == x.shape[1:2]
            for p in (gamma, beta, running_mean, running_var)
        )
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
    """out = scale (x - mean) + beta  with  scale = gamma / sqrt(var + eps)."""
    if train:
        mean, var = _mean_and_var(x)
        momentum = float(momentum)
        running_mean = (momentum * running_mean + (1 - momentum) * mean).astype(x.dtype)
        running_var = (momentum * running_var + (1 - momentum) * var).astype(x.dtype)
    else:
        mean, var = running_mean.astype(np.float64), running_var.astype(np.float64)
    inv_std = 1 / np.sqrt(var + float(eps))
    out, centre, scale = np.empty_like(x), mean.astype(x.dtype), gamma * inv_std
    shift = beta + scale * (centre - mean)
    centres, scales, shifts = (_repeated(p, x) for p in (centre, scale, shift))
    for x_piece, out_piece in _pieces(x, out):
        np.subtract(x_piece, centres, out=out_piece)
        out_piece *= scales
        out_piece += shifts
    return out, BatchnormCache(x, mean, inv_std, gamma, train, running_mean, running_var)


def batchnorm_backward(dout: Array, cache: BatchnormCache) -> tuple[Array, Array, Array]:
    """In training  dx = scale (dout - mean(dout) - x_hat mean(dout x_hat)),  else  dx = scale dout."""
    x, mean, inv_std, gamma, train, _, _ = cache
    check_dout(batchnorm_backward, x.shape, dout=dout)
    dout = in_order(dout, axis_order(x))
    M, centre = x.size // len(mean), mean.astype(x.dtype)
    dbeta, dgamma, centres = np.zeros(len(mean)), np.zeros(len(mean)), _repeated(centre, x)
    for x_piece, dout_piece in _pieces(x, dout):
        dbeta += _channel_sums(dout_piece, len(mean))
        centred = x_piece - centres
        centred *= dout_piece
        dgamma += _channel_sums(centred, len(mean))
    dgamma = inv_std * (dgamma - (mean - centre) * dbeta)

    dx, scale = np.empty_like(x), gamma * inv_std
    slope = -scale * inv_std * dgamma / M  # through the variance, dx is linear in x - mean
    scales, douts, slopes = (_repeated(p, x) for p in (scale, dbeta / M, slope))
    for x_piece, dout_piece, dx_piece in _pieces(x, dout, dx):
        if not train:
            np.multiply(dout_piece, scales, out=dx_piece)
            continue
        np.subtract(dout_piece, douts, out=dx_piece)
        dx_piece *= scales
        linear = x_piece - centres
        linear *= slopes
        dx_piece += linear
    return dx, dgamma.astype(x.dtype), dbeta.astype(x.dtype)


def _mean_and_var(x: Array) -> tuple[Array, Array]:
    """Mean and biased variance of every channel, float64 (D,)."""
    D = x.shape[1]
    counts, means, squares = [], [], []
    for (piece,) in _pieces(x):
        counts.append(piece.size // D)
        mean = (_channel_sums(piece, D) / counts[-1]).astype(x.dtype)
        centred = piece - _repeated(mean, x)
        rest = _channel_sums(centred, D) / counts[-1]  # the mean was rounded
        means.append(mean + rest)
        centred *= centred
        squares.append(_channel_sums(centred, D) - counts[-1] * rest**2)
    share = np.array(counts)[:, None] / sum(counts)
    mean = (share * means).sum(axis=0)
    var = np.sum(squares, axis=0) / sum(counts) + (share * (means - mean) ** 2).sum(axis=0)
    return mean, var


def _pieces(*arrays: Array) -> Iterator[list[Array]]:
    """Matching pieces of arrays (N, D, ...) of one memory order: contiguous rows, each of many pixels."""
    pixels = _pixels_a_row(arrays[0])
    width = pixels * arrays[0].shape[1]
    matrices = [a.transpose(axis_order(arrays[0])).reshape(-1, width) for a in arrays]
    step = max(1, PIECE // width)
    for first in range(0, len(matrices[0]), step):
        yield [matrix[first : first + step] for matrix in matrices]


def _repeated(parameter: Array, x: Array) -> Array:
    """(D,) over and over, as long as a row of the pieces of x."""
    return np.tile(parameter.astype(x.dtype), _pixels_a_row(x))


def _channel_sums(piece: Array, channels: int) -> Array:
    """Sums over everything but the channel, float64 (D,)."""
    columns = np.ones(len(piece), piece.dtype) @ piece
    return columns.reshape(-1, channels).sum(axis=0, dtype=np.float64)


def _pixels_a_row(x: Array) -> int:
    return _largest_divisor(x.size // x.shape[1], max(1, LONG_ROW // x.shape[1]))


@cache
def _largest_divisor(number: int, most: int) -> int:
    return next(d for d in range(most, 0, -1) if number % d == 0)


OVERRIDES = (
    Override("batchnorm", batchnorm_forward, supports_batchnorm, BatchnormCache, batchnorm_backward),
)
