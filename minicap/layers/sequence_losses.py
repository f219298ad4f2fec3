"""Losses of sequences of words, where shorter sequences are masked."""

from collections.abc import Callable
from typing import Any

from minicap.arrays import Array, accelerated, backend_of
from minicap.arrays.checks import require_arrays
from minicap.errors import InputError
from minicap.layers.checks import check, check_mask, number, shape_error
from minicap.layers.losses import check_classes, cross_entropy
from minicap.layers.temporal import temporal_affine_backward, temporal_affine_forward


@accelerated
def temporal_softmax_loss(
    x: Array, y: Array, mask: Array | None = None, reduction: str = "mean", label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    """Softmax cross-entropy of every word of a batch of sequences:  loss_nt = -mask_nt log p_nt(y_nt).

    x: (N, T, V) scores.  y: (N, T) integer words; any valid index where the mask is 0.
    mask: (N, T), bool or float, 1 where a word counts, else 0; None counts all.
    reduction: "mean" over the batch (summed over time, divided by N, as CS231n), "words" (divided by the sum
    of the mask: the mean over counted words, whose exp is the perplexity), "sum", or "none" for the (N, T)
    losses with the gradient of their sum.  label_smoothing: as in softmax_loss.
    Returns the loss and dx (N, T, V) = mask (p - t), scaled as the reduction says.
    Raises ShapeError, DtypeError, ClassIndexError when a word is not 0..V-1, InputError for an option.
    """
    check(temporal_softmax_loss, x=(x, "N T V"))
    check_classes(temporal_softmax_loss, "word", x, y)
    label_smoothing = number(temporal_softmax_loss, "label_smoothing", label_smoothing, 0, 1)
    mask = _all_words(temporal_softmax_loss, mask, x)

    return _words_loss(temporal_softmax_loss, x, y, mask, mask, reduction, label_smoothing)


@accelerated
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
    """The temporal_softmax_loss of the scores  x[n, t] w + b,  and the gradients of x, w and b.

    The scores of a large vocabulary are a captioner's largest array, and only the loss needs them; computed
    inside it, they can become their own gradient in place.
    x: (N, T, D).  w: (D, V).  b: (V,).  y, mask, reduction, label_smoothing: as in temporal_softmax_loss.
    gradients=False: the loss alone, for evaluation; dx, dw and db are None.
    Returns the loss and dx (N, T, D), dw (D, V), db (V,).
    Raises ShapeError, DtypeError, ClassIndexError when a word is not 0..V-1, InputError for an option.
    """
    scores, cache = temporal_affine_forward(x, w, b)
    loss, dscores = temporal_softmax_loss(scores, y, mask, reduction, label_smoothing)
    if not gradients:
        return loss, None, None, None
    return loss, *temporal_affine_backward(dscores, cache)


@accelerated
def policy_gradient_loss(
    x: Array, y: Array, advantage: Array, mask: Array | None = None, reduction: str = "mean"
) -> tuple[Array, Array]:
    """REINFORCE:  loss_nt = -advantage_nt mask_nt log p_nt(y_nt)   (Williams 1992; Rennie et al. 2017).

    x: (N, T, V) scores.  y: (N, T) integer words, sampled from softmax(x).
    advantage: (N,) for whole sentences or (N, T), reward minus baseline; a constant for the gradient.  For
    self-critical training it is the reward of the sample minus that of the greedily decoded sentence.
    mask: (N, T), 1 up to and including the word that ended the sentence; None counts all.
    reduction: "mean" over the batch, "words", "sum", "none", as in temporal_softmax_loss.
    Returns the loss and dx (N, T, V) = advantage mask (p - onehot(y)), scaled as the reduction says.  The
    gradient is the estimate of -d E[reward] / dx; the loss itself is not the reward.
    Raises ShapeError, DtypeError, ClassIndexError when a word is not 0..V-1, InputError for an option.
    """
    check(policy_gradient_loss, x=(x, "N T V"))
    check_classes(policy_gradient_loss, "word", x, y)
    mask = _all_words(policy_gradient_loss, mask, x)
    require_arrays(policy_gradient_loss, x=x, advantage=advantage)
    if advantage.shape not in (x.shape[:1], x.shape[:2]):
        raise shape_error(
            policy_gradient_loss,
            f"advantage must be {x.shape[:1]}, one per sentence, or {x.shape[:2]}, one per word",
            x=x,
            advantage=advantage,
        )

    weight = advantage.reshape(len(x), -1).astype(x.dtype) * mask
    return _words_loss(policy_gradient_loss, x, y, weight, mask, reduction)


def _words_loss(
    function: Callable[..., Any],
    x: Array,
    y: Array,
    weight: Array,
    mask: Array,
    reduction: str,
    label_smoothing: float = 0.0,
) -> tuple[Array, Array]:
    """Weighted cross-entropy of every word, reduced, and its gradient.  weight, mask: (N, T)."""
    scale = _word_scale(function, mask, reduction)
    losses, dx = cross_entropy(
        x.reshape(-1, x.shape[2]), y.reshape(-1), (scale * weight).reshape(-1), label_smoothing
    )
    losses = scale * weight * losses.reshape(weight.shape)
    return losses if reduction == "none" else losses.sum(), dx.reshape(x.shape)


def _word_scale(function: Callable[..., Any], mask: Array, reduction: str) -> Any:
    if reduction == "mean":
        return 1 / len(mask)
    if reduction == "words":
        return 1 / backend_of(mask=mask).xp.maximum(mask.sum(), 1)  # a batch without words has loss 0
    if reduction in ("sum", "none"):
        return 1.0
    raise InputError(
        f'{function.__name__}: reduction is {reduction!r} but must be "mean", "words", "sum" or "none"'
    )


def _all_words(function: Callable[..., Any], mask: Array | None, x: Array) -> Array:
    if mask is None:
        return backend_of(x=x).xp.ones(x.shape[:2], dtype=x.dtype)
    return check_mask(function, mask, x.shape[:2], x)
