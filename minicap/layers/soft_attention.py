"""Soft attention over the feature grid of an image (Xu et al. 2015, Show, Attend and Tell)."""

from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.layers.activations import sigmoid
from minicap.layers.attention import (
    additive_attention_backward,
    additive_attention_forward,
    attention_weights,
    plus,
    score_gradients,
)
from minicap.layers.checks import check, check_dout, check_mask, shape_error
from minicap.layers.losses import reduce_losses, reduction_scale


class SoftAttentionCache(NamedTuple):
    attention: Any  # cache of additive_attention_forward
    h: Array  # (N, H)
    context: Array  # (N, D) before the gate
    w_beta: Array | None  # (H, 1)
    beta: Array | None  # (N, 1)


@accelerated
def soft_attention_forward(
    features: Array,
    h: Array,
    Wf: Array,
    Wh: Array,
    b: Array,
    v: Array,
    w_beta: Array | None = None,
    b_beta: Array | None = None,
    mask: Array | None = None,
) -> tuple[Array, Array, SoftAttentionCache]:
    """Attend from the caption's state to the L positions of an image's feature grid.

    scores[n, l] = tanh(features[n, l] Wf + h[n] Wh + b) v,  weights = softmax(scores over l),
    context[n] = beta[n] sum_l weights[n, l] features[n, l],
    beta = sigmoid(h w_beta + b_beta), a gate that lets a word look away; 1 when w_beta is not given.

    features: (N, L, D).  h: (N, H).  Wf: (D, A).  Wh: (H, A).  b, v: (A,).  w_beta: (H, 1).  b_beta: (1,).
    mask: (N, L).
    Returns context (N, D), weights (N, L) and the cache.
    Raises ShapeError when the sizes do not fit or one of w_beta and b_beta is given without the other.
    Xu et al. 2015 (Show, Attend and Tell), eq. 4-6 and section 4.2.1.
    """
    check(
        soft_attention_forward,
        features=(features, "N L D"),
        h=(h, "N H"),
        Wf=(Wf, "D A"),
        Wh=(Wh, "H A"),
        b=(b, "A"),
        v=(v, "A"),
        w_beta=(w_beta, "H 1?"),
        b_beta=(b_beta, "1?"),
    )
    _check_gate(soft_attention_forward, w_beta, b_beta)

    context, weights, attention = additive_attention_forward(features, h, Wf, Wh, b, v, mask=mask)
    beta = None if w_beta is None else sigmoid(h @ w_beta + b_beta)
    out = context if beta is None else beta * context
    return out, weights, SoftAttentionCache(attention, h, context, w_beta, beta)


@accelerated
def soft_attention_backward(
    dcontext: Array, dweights: Array | None, cache: SoftAttentionCache
) -> tuple[Any, ...]:
    """Gradients of soft_attention_forward.  dcontext: (N, D).  dweights: (N, L) or None.

    Returns dfeatures, dh, dWf, dWh, db, dv, dw_beta, db_beta; the last two are None without the gate.
    The gate scales the context of additive attention, which therefore gets beta * dcontext, while beta gets
    the dot product of dcontext and the ungated context; through the sigmoid that reaches h a second time.
    """
    attention, h, context, w_beta, beta = cache
    check_dout(soft_attention_backward, context.shape, dcontext=dcontext)

    if w_beta is None or beta is None:
        return *additive_attention_backward(dcontext, dweights, attention), None, None
    da = (dcontext * context).sum(axis=1, keepdims=True) * beta * (1 - beta)
    dfeatures, dh, *gradients = additive_attention_backward(beta * dcontext, dweights, attention)
    return dfeatures, dh + da @ w_beta.T, *gradients, h.T @ da, da.sum(axis=0)


class SoftAttentionStepCache(NamedTuple):
    features: Array  # (N, L, D)
    h: Array  # (N, H)
    Wh: Array  # (H, A)
    v: Array  # (A,)
    hidden: Array  # (N, L, A): tanh(keys + h Wh + b)
    weights: Array  # (N, L)
    context: Array  # (N, D) before the gate
    w_beta: Array | None  # (H, 1)
    beta: Array | None  # (N, 1)


@accelerated
def soft_attention_step_forward(
    features: Array,
    keys: Array,
    h: Array,
    Wh: Array,
    b: Array,
    v: Array,
    w_beta: Array | None = None,
    b_beta: Array | None = None,
    mask: Array | None = None,
) -> tuple[Array, Array, SoftAttentionStepCache]:
    """soft_attention_forward with  keys = features Wf  given: they are the same for every word of a caption,
    and the product is most of the work.

    keys: (N, L, A).  All else as in soft_attention_forward.
    Returns context (N, D), weights (N, L) and the cache.
    Raises ShapeError when the sizes do not fit or one of w_beta and b_beta is given without the other.
    """
    xp = check(
        soft_attention_step_forward,
        features=(features, "N L D"),
        keys=(keys, "N L A"),
        h=(h, "N H"),
        Wh=(Wh, "H A"),
        b=(b, "A"),
        v=(v, "A"),
        w_beta=(w_beta, "H 1?"),
        b_beta=(b_beta, "1?"),
    )
    _check_gate(soft_attention_step_forward, w_beta, b_beta)
    if mask is not None:
        mask = check_mask(soft_attention_step_forward, mask, keys.shape[:2], keys)

    hidden = xp.tanh(keys + (h @ Wh + b)[:, None])
    weights = attention_weights(xp, hidden @ v, mask)
    context = (weights[:, None] @ features)[:, 0]
    beta = None if w_beta is None else sigmoid(h @ w_beta + b_beta)
    out = context if beta is None else beta * context
    return out, weights, SoftAttentionStepCache(features, h, Wh, v, hidden, weights, context, w_beta, beta)


@accelerated
def soft_attention_step_backward(
    dcontext: Array, dweights: Array | None, cache: SoftAttentionStepCache, input_gradient: bool = True
) -> tuple[Any, ...]:
    """Gradients of soft_attention_step_forward.  dcontext: (N, D).  dweights: (N, L) or None.

    input_gradient=False: dfeatures is None, for an image that nobody trains.
    Returns dfeatures, dkeys, dh, dWh, db, dv, dw_beta, db_beta; the last two are None without the gate.
    As in additive attention: through the context and the softmax to the scores, through v and the tanh to
    dkeys, which h and b shared among all places.
    """
    features, h, Wh, v, hidden, weights, context, w_beta, beta = cache
    check_dout(soft_attention_step_backward, context.shape, dcontext=dcontext)

    da = None if beta is None else (dcontext * context).sum(axis=1, keepdims=True) * beta * (1 - beta)
    dcontext = dcontext if beta is None else beta * dcontext
    through_context = (features @ dcontext[:, :, None])[:, :, 0]
    dscores = score_gradients(plus(through_context, dweights), weights)
    dkeys = dscores[:, :, None] * v * (1 - hidden**2)
    dquery = dkeys.sum(axis=1)
    dh, dv = dquery @ Wh.T, dscores.reshape(-1) @ hidden.reshape(-1, len(v))
    dfeatures = weights[:, :, None] * dcontext[:, None] if input_gradient else None
    of_query = h.T @ dquery, dquery.sum(axis=0), dv
    if w_beta is None or da is None:
        return dfeatures, dkeys, dh, *of_query, None, None
    return dfeatures, dkeys, dh + da @ w_beta.T, *of_query, h.T @ da, da.sum(axis=0)


def _check_gate(function: Any, w_beta: Array | None, b_beta: Array | None) -> None:
    if (w_beta is None) != (b_beta is None) or (w_beta is not None and w_beta.shape[1] != 1):
        raise shape_error(
            function,
            "the gate needs w_beta (H, 1) and b_beta (1,), or neither",
            w_beta=w_beta,
            b_beta=b_beta,
        )


@accelerated
def doubly_stochastic_loss(
    weights: Array, mask: Array | None = None, reduction: str = "mean"
) -> tuple[Array, Array]:
    """Penalty that asks attention to spend about one unit on every position over a caption:

    loss[n] = sum_l (1 - sum_t mask[n, t] weights[n, t, l])^2.

    weights: (N, T, L).  mask: (N, T), 0 on the padding.
    reduction: "mean" over the batch, "sum", or "none" for the loss of each sample.
    Returns the loss and dweights (N, T, L), the gradient of its sum for "none".
    Raises ShapeError when the sizes do not fit, InputError for another reduction.
    Xu et al. 2015, eq. 14, without the factor lambda.
    """
    xp = check(doubly_stochastic_loss, weights=(weights, "N T L"))
    scale = reduction_scale(doubly_stochastic_loss, reduction, len(weights))
    if mask is None:
        mask = xp.ones(weights.shape[:2], dtype=weights.dtype)
    mask = check_mask(doubly_stochastic_loss, mask, weights.shape[:2], weights)[:, :, None]

    missing = 1 - (mask * weights).sum(axis=1, keepdims=True)
    losses = (missing**2).sum(axis=(1, 2))
    return reduce_losses(losses, reduction), -2 * scale * missing * mask
