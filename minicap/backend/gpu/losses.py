"""Softmax cross-entropy with its gradient in one kernel."""

from math import prod

import numpy as np

from minicap.arrays.backends import Array, backend_of, find_backend
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.launcher import Kernel, readable
from minicap.backend.gpu.masks import as_mask, mask_fits

_softmax_loss = Kernel("losses.cu", "softmax_loss")


def softmax_loss(
    x: Array, y: Array, reduction: str = "mean", label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    """softmax_loss of minicap.layers.losses."""
    scale = 1 / len(x) if reduction == "mean" else 1.0
    losses, dx = _cross_entropy(x, y, None, None, scale, label_smoothing)
    return losses if reduction == "none" else losses.sum(), dx


def temporal_softmax_loss(
    x: Array, y: Array, mask: Array | None = None, reduction: str = "mean", label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    """temporal_softmax_loss of minicap.layers.sequence_losses."""
    mask = as_mask(mask, x)
    return _words_loss(x, y, mask, mask, reduction, label_smoothing)


def policy_gradient_loss(
    x: Array, y: Array, advantage: Array, mask: Array | None = None, reduction: str = "mean"
) -> tuple[Array, Array]:
    """policy_gradient_loss of minicap.layers.sequence_losses."""
    xp = backend_of(x=x).xp
    weight = advantage.reshape(len(x), -1).astype(x.dtype, copy=False)
    mask = xp.ones(x.shape[:2], dtype=x.dtype) if mask is None else as_mask(mask, x)
    return _words_loss(x, y, weight * mask, mask, reduction)


def _words_loss(
    x: Array, y: Array, weight: Array | None, mask: Array | None, reduction: str, label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    N, T, _ = x.shape
    scale, total = 1 / N if reduction == "mean" else 1.0, None
    if reduction == "words":
        scale, total = (1 / (N * T), None) if mask is None else (1.0, mask.sum())
    losses, dx = _cross_entropy(x, y, weight, total, scale, label_smoothing)
    return losses if reduction == "none" else losses.sum(), dx


def _cross_entropy(
    x: Array, y: Array, weight: Array | None, total: Array | None, scale: float, label_smoothing: float
) -> tuple[Array, Array]:
    """Weighted losses, shaped like y, and the gradient of their sum."""
    xp = backend_of(x=x).xp
    x, y = xp.ascontiguousarray(x), xp.ascontiguousarray(y)
    weight = weight if weight is None else xp.ascontiguousarray(weight)
    losses, dx, rows = xp.empty(y.shape, dtype=x.dtype), xp.empty_like(x), prod(y.shape)
    arrays = dict(x=x, y=y, weight=weight, total=total, losses=losses, dx=dx)
    _softmax_loss.blocks(
        rows, **arrays, scale=scale, smoothing=float(label_smoothing), rows=rows, K=x.shape[-1]
    )
    return losses, dx


def _supports_softmax(x: Array, y: Array, reduction: str = "mean", label_smoothing: float = 0.0) -> bool:
    known = reduction in ("mean", "sum", "none")
    return known and 0 <= label_smoothing <= 1 and x.ndim == 2 and _one_class_a_row(x, y)


def _supports_temporal(
    x: Array, y: Array, mask: Array | None = None, reduction: str = "mean", label_smoothing: float = 0.0
) -> bool:
    return 0 <= label_smoothing <= 1 and _supports_words(x, y, mask, reduction)


def _supports_policy(
    x: Array, y: Array, advantage: Array, mask: Array | None = None, reduction: str = "mean"
) -> bool:
    fits = find_backend(advantage) is find_backend(x) and advantage.shape in (x.shape[:1], x.shape[:2])
    return fits and advantage.dtype == x.dtype and _supports_words(x, y, mask, reduction)


def _supports_words(x: Array, y: Array, mask: Array | None, reduction: str) -> bool:
    known = reduction in ("mean", "words", "sum", "none")
    return known and x.ndim == 3 and mask_fits(mask, x, x.shape[:2]) and _one_class_a_row(x, y)


def _one_class_a_row(x: Array, y: Array) -> bool:
    owned = find_backend(y) is find_backend(x) and y.dtype in (np.int32, np.int64)
    return owned and y.shape == x.shape[:-1] and readable(x)


OVERRIDES = (
    Override("softmax_loss", softmax_loss, _supports_softmax),
    Override("temporal_softmax_loss", temporal_softmax_loss, _supports_temporal),
    Override("policy_gradient_loss", policy_gradient_loss, _supports_policy),
)
