"""Losses about order: relevant labels above the others, matching pairs above mismatched ones."""

from typing import Any

import numpy as np

from minicap.arrays import Array, accelerated, backend_of
from minicap.arrays.checks import require_arrays
from minicap.arrays.random import RandomStream, as_stream, random_uint16
from minicap.arrays.rows import scatter_add_rows
from minicap.layers.checks import check, number, shape_error
from minicap.layers.losses import check_targets, reduce_losses, reduction_scale


@accelerated
def warp_loss(
    x: Array,
    y: Array,
    rng: RandomStream | np.random.Generator | int,
    margin: float = 1.0,
    reduction: str = "mean",
) -> tuple[Array, Array]:
    """Weighted approximate ranking, by sampling:  loss_n = sum_j L(r_nj) max(0, margin - x_nj + x_nk).

    For each label j that sample n has, labels it lacks are drawn until one, k, comes within the margin of j.
    After s draws the rank of j is taken to be r = floor((K - 1) / s), and L(r) = 1 + 1/2 + ... + 1/r weights
    a mistake by how far down the list it is (Weston et al. 2011; Gong et al. 2013).
    x: (N, K) scores.  y: (N, K), 1 where the sample has the label and 0 elsewhere, bool or numbers.
    rng: the same stream or seed draws the same labels; a Generator advances by one draw.
    reduction: "mean" over the batch, "sum", "none" (N,).
    Returns the loss and dx (N, K), in which L, j and k are constants.  Time and memory grow as N K^2.
    Raises ShapeError, DtypeError, InputError when y is not in [0, 1] or for an option.
    """
    xp = check(warp_loss, x=(x, "N K"))
    require_arrays(warp_loss, y=y)
    backend = backend_of(x=x, y=y)
    if x.shape != y.shape:
        raise shape_error(warp_loss, "y must be shaped like x", x=x, y=y)
    check_targets(warp_loss, y)
    scale = reduction_scale(warp_loss, reduction, len(x))
    margin = number(warp_loss, "margin", margin)

    positive = y > 0
    num_labels = x.shape[1]

    # Random keys shuffle the labels, and adding 1 moves those the sample has after all those it lacks.
    # The labels of a sample share this order; it is uniform for each, so the expectation is the paper's.
    keys = random_uint16(as_stream(rng), (len(x), 2 * num_labels), backend).view(np.uint32)
    order = xp.argsort(keys / 2.0**32 + positive, axis=1, kind="stable")
    drawn, lacked = xp.take_along_axis(x, order, axis=1), ~xp.take_along_axis(positive, order, axis=1)
    violates = (drawn[:, None, :] > (x - margin)[:, :, None]) & lacked[:, None, :]  # (N, label j, draw)
    first = violates.argmax(axis=2)
    violator = xp.take_along_axis(order, first, axis=1)

    rank = (num_labels - 1) // (first + 1)
    harmonic = xp.cumsum(1 / xp.arange(1, num_labels + 1)).astype(x.dtype)
    weight = harmonic[rank - 1] * (violates.any(axis=2) & positive)
    losses = (weight * (margin - x + xp.take_along_axis(x, violator, axis=1))).sum(axis=1)
    flat_violator = violator + num_labels * xp.arange(len(x))[:, None]  # several j may have drawn the same k
    dviolator = scatter_add_rows(flat_violator.reshape(-1), weight.reshape(-1, 1), x.size)
    dx = dviolator.reshape(x.shape) - weight
    return reduce_losses(losses, reduction), scale * dx


@accelerated
def pairwise_ranking_loss(
    x: Array, margin: float = 0.2, hardest: bool = False, reduction: str = "mean"
) -> tuple[Array, Array]:
    """Bidirectional hinge over the similarities of N matching pairs, as image-sentence embeddings use it.

    loss_n = sum_{k != n} max(0, margin - x_nn + x_nk) + sum_{k != n} max(0, margin - x_nn + x_kn)
    (Kiros et al. 2014; Karpathy & Fei-Fei 2015): image n must prefer its sentence n to all others, and
    sentence n its image.  hardest: only the largest term of each sum counts (VSE++, Faghri et al. 2018),
    the first among equals.
    x: (N, N), similarity of image n (row) to sentence k (column).
    reduction: "mean" over the pairs, "sum", "none" (N,).
    Returns the loss and dx (N, N).
    Raises ShapeError when x is not square, DtypeError, InputError for an option.
    """
    xp = check(pairwise_ranking_loss, x=(x, "N N"))
    scale = reduction_scale(pairwise_ranking_loss, reduction, len(x))
    margin = number(pairwise_ranking_loss, "margin", margin)

    losses, dx = _hinge_over_rows(xp, x, margin, hardest)
    losses_t, dx_t = _hinge_over_rows(xp, x.T, margin, hardest)
    return reduce_losses(losses + losses_t, reduction), scale * (dx + dx_t.T)


def _hinge_over_rows(xp: Any, x: Array, margin: float, hardest: bool) -> tuple[Array, Array]:
    """One direction:  sum or maximum over k != n of  max(0, margin - x_nn + x_nk),  and its gradient."""
    matching = xp.eye(len(x), dtype=bool)
    costs = xp.maximum(margin - xp.diagonal(x)[:, None] + x, 0) * ~matching
    if hardest:
        costs = costs * (xp.arange(len(x)) == costs.argmax(axis=1)[:, None])
    dx = (costs > 0).astype(x.dtype)
    return costs.sum(axis=1), dx - dx.sum(axis=1)[:, None] * matching
