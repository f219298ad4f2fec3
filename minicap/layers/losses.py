"""Losses of a batch of independent samples: each returns the loss and the gradient of the scores."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicap.arrays import Array, accelerated, backend_of
from minicap.arrays.checks import require_arrays
from minicap.errors import InputError
from minicap.layers.activations import sigmoid
from minicap.layers.checks import check, check_ids, number, shape_error
from minicap.layers.softmax import log_softmax_forward


@accelerated
def softmax_loss(
    x: Array, y: Array, reduction: str = "mean", label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    """Softmax cross-entropy:  loss_n = -sum_k t_nk log p_nk  with  p = softmax(x).

    x: (N, K) scores.  y: (N,) integer classes.  The target t_n is 1 - s at class y_n plus s / K at every
    class, for label_smoothing s (Szegedy et al. 2016, section 7); s = 0 leaves -log p of the right class.
    reduction: "mean" over the batch, "sum", or "none" for the (N,) losses and the gradient of their sum.
    Returns the loss and dx (N, K) = p - t, scaled as the reduction says.
    Raises ShapeError, DtypeError, ClassIndexError when a class is not 0..K-1, InputError for an option.
    """
    xp = check(softmax_loss, x=(x, "N K"))
    check_classes(softmax_loss, "class", x, y)
    label_smoothing = number(softmax_loss, "label_smoothing", label_smoothing, 0, 1)
    weight = xp.full(len(x), reduction_scale(softmax_loss, reduction, len(x)), dtype=x.dtype)

    losses, dx = cross_entropy(x, y, weight, label_smoothing)
    return reduce_losses(losses, reduction), dx


def cross_entropy(x: Array, y: Array, weight: Array, label_smoothing: float = 0.0) -> tuple[Array, Array]:
    """Cross-entropy of each row, and the gradient of  sum_n weight_n loss_n.

    x: (N, K).  y: (N,).  weight: (N,).  Returns losses (N,), not weighted, and dx (N, K).
    loss_n = -sum_k t_nk log p_nk, and d log p_nj / dx_nk = 1[j = k] - p_nk, so dloss_n / dx_nk = p_nk - t_nk:
    the probabilities, minus one at the right class.
    """
    xp, s = backend_of(x=x).xp, label_smoothing
    rows = xp.arange(len(x))

    log_p, _ = log_softmax_forward(x)
    losses = -log_p[rows, y]
    dx = xp.exp(log_p)
    dx[rows, y] -= 1 - s
    if s:
        losses = (1 - s) * losses - s * log_p.mean(axis=1)
        dx = dx - s / x.shape[1]
    return losses, weight[:, None] * dx


@accelerated
def svm_loss(x: Array, y: Array, margin: float = 1.0, reduction: str = "mean") -> tuple[Array, Array]:
    """Multiclass hinge:  loss_n = sum_{k != y_n} max(0, x_nk - x_n,y_n + margin)   (Weston & Watkins 1999).

    x: (N, K) scores.  y: (N,) integer classes.  reduction: "mean" over the batch, "sum", "none" (N,).
    Returns the loss and dx (N, K): +1 for every class inside the margin, minus the number of these at the
    right class, and 0 at the kink itself.
    Raises ShapeError, DtypeError, ClassIndexError when a class is not 0..K-1, InputError for an option.
    """
    xp = check(svm_loss, x=(x, "N K"))
    check_classes(svm_loss, "class", x, y)
    margin = number(svm_loss, "margin", margin)
    scale = reduction_scale(svm_loss, reduction, len(x))

    rows = xp.arange(len(x))
    wrong = xp.arange(x.shape[1]) != y[:, None]
    margins = xp.maximum(x - x[rows, y][:, None] + margin, 0) * wrong
    dx = (margins > 0).astype(x.dtype)
    dx[rows, y] = -dx.sum(axis=1)
    return reduce_losses(margins.sum(axis=1), reduction), scale * dx


@accelerated
def sigmoid_bce_loss(
    x: Array, y: Array, reduction: str = "mean", pos_weight: Array | float = 1.0
) -> tuple[Array, Array]:
    """Binary cross-entropy of logits:  loss_nk = -q y log p - (1 - y) log(1 - p)  with  p = sigmoid(x).

    x: (N, K) logits, one yes-or-no question each.  y: (N, K) targets in [0, 1], of x's dtype.
    pos_weight: q, how much a positive counts, a number or (K,).
    reduction: "mean" over all N * K entries (as PyTorch), "sum", or "none" for the (N, K) losses.
    Returns the loss and dx (N, K) = (1 - y) p - q y (1 - p), scaled as the reduction says.
    Raises ShapeError, DtypeError, InputError when a target lies outside [0, 1] or for an option.
    """
    xp = check(sigmoid_bce_loss, x=(x, "N K"), y=(y, "N K"))
    check_targets(sigmoid_bce_loss, y)
    scale = reduction_scale(sigmoid_bce_loss, reduction, x.size)
    if getattr(pos_weight, "ndim", 0):
        check(sigmoid_bce_loss, x=(x, "N K"), pos_weight=(pos_weight, "K"))
    else:
        pos_weight = number(sigmoid_bce_loss, "pos_weight", pos_weight, 0)

    # -log p = log(1 + exp(-x)) and -log(1 - p) = x - log p; the exponent is -|x|, so nothing overflows.
    minus_log_p = xp.log1p(xp.exp(xp.where(x < 0, x, -x))) - xp.minimum(x, 0)
    positive = pos_weight * y
    losses = (positive + 1 - y) * minus_log_p + (1 - y) * x
    p = sigmoid(x)
    dx = scale * ((1 - y) * p - positive * (1 - p))
    return reduce_losses(losses, reduction), dx


@accelerated
def mse_loss(x: Array, y: Array, reduction: str = "mean") -> tuple[Array, Array]:
    """Squared error:  loss_i = (x_i - y_i)^2.

    x: (N, ...) predictions.  y: targets like x.
    reduction: "mean" over all entries (as PyTorch, and without a factor 1/2), "sum", or "none" for one
    loss per entry.  Returns the loss and dx like x = 2 (x - y), scaled as the reduction says.
    Raises ShapeError, DtypeError, InputError for an option.
    """
    check(mse_loss, x=(x, "N ..."), y=(y, "N ..."))
    if x.shape != y.shape:
        raise shape_error(mse_loss, "y must be shaped like x", x=x, y=y)
    scale = reduction_scale(mse_loss, reduction, x.size)

    difference = x - y
    return reduce_losses(difference**2, reduction), 2 * scale * difference


def reduction_scale(function: Callable[..., Any], reduction: str, count: int) -> float:
    """The weight of each of `count` losses in the result.  Raises InputError for an unknown reduction."""
    if reduction not in ("mean", "sum", "none"):
        raise InputError(
            f'{function.__name__}: reduction is {reduction!r} but must be "mean", "sum" or "none"'
        )
    return 1 / count if reduction == "mean" else 1.0


def reduce_losses(losses: Array, reduction: str) -> Array:
    """The losses themselves ("none"), their "sum" or their "mean"."""
    if reduction == "none":
        return losses
    return losses.mean() if reduction == "mean" else losses.sum()


def check_classes(function: Callable[..., Any], what: str, x: Array, y: Array) -> None:
    """Check that y holds one integer in 0..K-1 for every row of scores x (..., K).

    what: "class", "word".  Raises BackendMismatch, ShapeError, DtypeError, ClassIndexError.
    """
    require_arrays(function, x=x, y=y)
    if y.shape != x.shape[:-1]:
        raise shape_error(function, f"y must be {x.shape[:-1]}, one {what} for every row of x", x=x, y=y)
    check_ids(function, what, x.shape[-1], y=y)


def check_targets(function: Callable[..., Any], y: Array) -> None:
    """Raise InputError unless targets lie in [0, 1].  Not checked on a GPU: that would wait for it."""
    if backend_of(y=y).xp is np and not (y.real.min() >= 0 and y.real.max() <= 1):
        raise InputError(
            f"{function.__name__}: y must lie in [0, 1] but runs from {y.real.min()} to {y.real.max()}; "
            "labels of -1 and 1 become (y + 1) / 2"
        )
