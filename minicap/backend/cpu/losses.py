"""Losses whose scores become their own gradient in place, a few rows at a time, to stay in cache."""

from typing import Any

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.dispatch import Override
from minicap.backend.cpu import temporal
from minicap.backend.cpu.order import is_float

SCORES_BYTES = 1 << 19  # of the rows of scores that are worked on at once, to stay in cache
ROWS_OF_A_PRODUCT = 256  # few enough to need little memory, many enough for BLAS


def supports_softmax_loss(x: Any, y: Any, reduction: str = "mean", label_smoothing: float = 0.0) -> bool:
    """Arrays and options that fit; the textbook reports what is wrong with others."""
    return (
        is_float(x)
        and x.ndim == 2
        and _are_classes(y, x.shape[:1], x.shape[1])
        and reduction in ("mean", "sum", "none")
        and 0 <= label_smoothing <= 1
    )


def softmax_loss(
    x: Array, y: Array, reduction: str = "mean", label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    """One array the size of x."""
    weight = np.full(len(x), 1 / len(x) if reduction == "mean" else 1, x.dtype)
    dx = np.array(x, order="C")
    losses = _to_gradients(dx, None, y, weight, float(label_smoothing))
    return losses if reduction == "none" else weight @ losses, dx


def supports_temporal_softmax_loss(
    x: Any, y: Any, mask: Any = None, reduction: str = "mean", label_smoothing: float = 0.0
) -> bool:
    """Arrays and options that fit; the textbook reports what is wrong with others."""
    return is_float(x) and x.ndim == 3 and _fit(x, x.shape[2], y, mask, reduction, label_smoothing)


def temporal_softmax_loss(
    x: Array, y: Array, mask: Array | None = None, reduction: str = "mean", label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    """One array the size of x."""
    return _words_loss(x, y, _weight(x, mask, reduction), reduction, float(label_smoothing))


def supports_policy_gradient_loss(
    x: Any, y: Any, advantage: Any, mask: Any = None, reduction: str = "mean"
) -> bool:
    """Arrays and options that fit; the textbook reports what is wrong with others."""
    fits = supports_temporal_softmax_loss(x, y, mask, reduction) and isinstance(advantage, np.ndarray)
    return fits and advantage.dtype == x.dtype and advantage.shape in (x.shape[:1], x.shape[:2])


def policy_gradient_loss(
    x: Array, y: Array, advantage: Array, mask: Array | None = None, reduction: str = "mean"
) -> tuple[Array, Array]:
    """One array the size of x."""
    weight = _weight(x, mask, reduction).reshape(y.shape) * advantage.reshape(len(x), -1)
    return _words_loss(x, y, weight.reshape(-1), reduction, 0.0)


def _words_loss(x: Array, y: Array, weight: Array, reduction: str, smoothing: float) -> tuple[Array, Array]:
    dx = np.array(x, order="C")
    losses = _to_gradients(dx.reshape(-1, x.shape[2]), None, y.reshape(-1), weight, smoothing) * weight
    return losses.reshape(y.shape) if reduction == "none" else losses.sum(), dx


def supports_temporal_affine_softmax_loss(
    x: Any,
    w: Any,
    b: Any,
    y: Any,
    mask: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    gradients: bool = True,
) -> bool:
    """Arrays and options that fit; the textbook reports what is wrong with others."""
    return temporal.supports(x, w, b) and _fit(x, b.size, y, mask, reduction, label_smoothing)


def _fit(x: Array, V: int, y: Any, mask: Any, reduction: str, label_smoothing: float) -> bool:
    return (
        _are_classes(y, x.shape[:2], V)
        and (mask is None or _is_mask(mask, x))
        and reduction in ("mean", "words", "sum", "none")
        and 0 <= label_smoothing <= 1
    )


def _are_classes(y: Any, shape: tuple[int, ...], count: int) -> bool:
    is_integer = isinstance(y, np.ndarray) and y.dtype.kind in "iu"
    return is_integer and y.shape == shape and 0 <= y.min() <= y.max() < count


def _weight(x: Array, mask: Array | None, reduction: str) -> Array:
    """The weight of each word's loss, (N T,)."""
    mask = np.ones(x.shape[:2], x.dtype) if mask is None else mask.astype(x.dtype, copy=False)
    divisor = {"mean": len(x), "words": np.maximum(mask.sum(), 1)}.get(reduction, 1)
    return (mask / divisor).reshape(-1)


def _is_mask(mask: Any, x: Array) -> bool:
    is_bool = isinstance(mask, np.ndarray) and mask.dtype == bool
    return (is_bool or is_float(mask)) and mask.shape == x.shape[:2]


def temporal_affine_softmax_loss(
    x: Array,
    w: Array,
    b: Array,
    y: Array,
    mask: Array | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    gradients: bool = True,
) -> tuple[Array, Any, Any, Any]:
    """One array of scores, which become their gradient a few rows at a time; without gradients, never all."""
    shape, weight, smoothing = y.shape, _weight(x, mask, reduction), float(label_smoothing)
    rows, y = x.reshape(-1, len(w)), y.reshape(-1)
    dx = dw = db = None
    if gradients:
        scores = rows @ w
        losses = _to_gradients(scores, b, y, weight, smoothing)
        dx, dw, db = (scores @ w.T).reshape(x.shape), rows.T @ scores, np.ones(len(rows), x.dtype) @ scores
    else:
        pieces = _pieces(len(rows), ROWS_OF_A_PRODUCT)
        parts = [_to_gradients(rows[piece] @ w, b, y[piece], weight[piece], smoothing) for piece in pieces]
        losses = np.concatenate(parts)
    losses *= weight
    return losses.reshape(shape) if reduction == "none" else losses.sum(), dx, dw, db


def _to_gradients(scores: Array, b: Array | None, y: Array, weight: Array, smoothing: float) -> Array:
    """The losses of scores (+ b), with the gradient written over the scores, a few rows at a time."""
    pieces = _pieces(len(scores), SCORES_BYTES // scores[0].nbytes)
    return np.concatenate([_cross_entropy(scores[i], b, y[i], weight[i], smoothing) for i in pieces])


def _cross_entropy(scores: Array, b: Array | None, y: Array, weight: Array, smoothing: float) -> Array:
    """cross_entropy of minicap.layers.losses for scores (+ b), in place."""
    target = np.arange(len(y)), y
    if b is not None:
        scores += b
    scores -= scores.max(axis=1, keepdims=True)
    on_target = (1 - smoothing) * scores[target]
    if smoothing:
        on_target += smoothing * scores.mean(axis=1)
    np.exp(scores, out=scores)
    total = scores.sum(axis=1)
    scores *= (weight / total)[:, None]
    scores[target] -= (1 - smoothing) * weight
    if smoothing:
        scores -= (smoothing / scores.shape[1] * weight)[:, None]
    losses: Array = np.log(total) - on_target
    return losses


def _pieces(length: int, rows: int) -> list[slice]:
    rows = max(1, rows)
    return [slice(start, start + rows) for start in range(0, length, rows)]


OVERRIDES = (
    Override("softmax_loss", softmax_loss, supports_softmax_loss),
    Override("temporal_softmax_loss", temporal_softmax_loss, supports_temporal_softmax_loss),
    Override("policy_gradient_loss", policy_gradient_loss, supports_policy_gradient_loss),
    Override(
        "temporal_affine_softmax_loss", temporal_affine_softmax_loss, supports_temporal_affine_softmax_loss
    ),
)
