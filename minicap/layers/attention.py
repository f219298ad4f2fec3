"""Attention: a weighted sum of vectors, each weighted by how well it fits a query.

Every layer here returns the context (the sum) and the weights.  Its backward takes the gradients of both;
dweights may be None when no loss acts on the weights themselves.  Masks are 1 where attention may go and 0
where it must not; where everything is masked, weights and context are zero.
"""

from math import sqrt
from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.arrays.checks import require_arrays
from minicap.arrays.windows import whole
from minicap.layers.affine import project, project_gradients
from minicap.layers.checks import check, check_dout, check_mask, shape_error


def attention_weights(xp: Any, scores: Array, mask: Array | None) -> Array:
    """Softmax over the last axis, among the entries where the mask is 1."""
    if mask is not None:
        scores = xp.where(mask != 0, scores, xp.finfo(scores.dtype).min)
    e = xp.exp(scores - scores.max(axis=-1, keepdims=True))
    if mask is None:
        return e / e.sum(axis=-1, keepdims=True)
    e = e * mask
    total = e.sum(axis=-1, keepdims=True)
    return e / (total + (total == 0))


def score_gradients(dweights: Array, weights: Array) -> Array:
    """Gradient of attention_weights:  dscores = weights * (dweights - sum(dweights * weights))."""
    return weights * (dweights - (dweights * weights).sum(axis=-1, keepdims=True))


def plus(dweights: Array, given: Array | None) -> Array:
    return dweights if given is None else dweights + given


class AdditiveAttentionCache(NamedTuple):
    h: Array  # (N, S, H)
    d: Array  # (N, D)
    W1: Array  # (H, A)
    W2: Array  # (D, A)
    v: Array  # (A,)
    hidden: Array  # (N, S, A): tanh(h W1 + d W2 + b)
    weights: Array  # (N, S)


@accelerated
def additive_attention_forward(
    h: Array, d: Array, W1: Array, W2: Array, b: Array, v: Array, mask: Array | None = None
) -> tuple[Array, Array, AdditiveAttentionCache]:
    """Attend from a decoder state to the states of an encoder (Bahdanau et al. 2015).

    scores[n, i] = tanh(h[n, i] W1 + d[n] W2 + b) v,  weights = softmax(scores over i),
    context[n] = sum_i weights[n, i] h[n, i].

    h: (N, S, H).  d: (N, D).  W1: (H, A).  W2: (D, A).  b, v: (A,).  mask: (N, S).
    Returns context (N, H), weights (N, S) and the cache.
    Raises ShapeError when the sizes do not fit.
    """
    xp = check(
        additive_attention_forward,
        h=(h, "N S H"),
        d=(d, "N D"),
        W1=(W1, "H A"),
        W2=(W2, "D A"),
        b=(b, "A"),
        v=(v, "A"),
    )
    if mask is not None:
        mask = check_mask(additive_attention_forward, mask, h.shape[:2], h)

    hidden = xp.tanh(project(h, W1) + (d @ W2 + b)[:, None])
    weights = attention_weights(xp, hidden @ v, mask)
    context = (weights[:, None] @ h)[:, 0]
    return context, weights, AdditiveAttentionCache(h, d, W1, W2, v, hidden, weights)


@accelerated
def additive_attention_backward(
    dcontext: Array, dweights: Array | None, cache: AdditiveAttentionCache
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of additive_attention_forward.  dcontext: (N, H).  dweights: (N, S) or None.

    Returns dh, dd, dW1, dW2, db, dv.
    The weights get dweights[n, i] + dcontext[n] . h[n, i]; back through the softmax that is dscores, and
    through v and the tanh  da = dscores v (1 - hidden^2).  d and b entered every i, so they get
    the sum of da over i; h is used twice, in the scores and in the context.
    """
    h, d, W1, W2, v, hidden, weights = cache
    N, S, H = h.shape
    check_dout(additive_attention_backward, (N, H), dcontext=dcontext)
    if dweights is not None:
        check_dout(additive_attention_backward, (N, S), dweights=dweights)

    through_context = (h @ dcontext[:, :, None])[:, :, 0]
    dscores = score_gradients(plus(through_context, dweights), weights)
    dv = dscores.reshape(N * S) @ hidden.reshape(N * S, -1)
    da = dscores[:, :, None] * v * (1 - hidden**2)
    dh_scored, dW1 = project_gradients(da, h, W1)
    dh = weights[:, :, None] * dcontext[:, None] + dh_scored
    dquery = da.sum(axis=1)
    return dh, dquery @ W2.T, dW1, d.T @ dquery, dquery.sum(axis=0), dv


class DotProductAttentionCache(NamedTuple):
    q: Array  # (N, T, D), for several heads (N, heads, T, D) and so on
    k: Array  # (N, S, D)
    v: Array  # (N, S, E)
    weights: Array  # (N, T, S)
    scale: float


def _attend(
    xp: Any, q: Array, k: Array, v: Array, mask: Array | None, scaled: bool
) -> tuple[Array, DotProductAttentionCache]:
    """Dot-product attention over any leading axes."""
    scale = 1 / sqrt(q.shape[-1]) if scaled else 1.0
    weights = attention_weights(xp, (q @ k.swapaxes(-1, -2)) * scale, mask)
    return weights @ v, DotProductAttentionCache(q, k, v, weights, scale)


def _attend_backward(
    dcontext: Array, dweights: Array | None, cache: DotProductAttentionCache
) -> tuple[Array, Array, Array]:
    """Gradients of _attend: dq, dk, dv."""
    q, k, v, weights, scale = cache
    dscores = score_gradients(plus(dcontext @ v.swapaxes(-1, -2), dweights), weights) * scale
    return dscores @ k, dscores.swapaxes(-1, -2) @ q, weights.swapaxes(-1, -2) @ dcontext


def _check_attention_mask(function: Any, mask: Array | None, q: Array, k: Array) -> Array | None:
    """The mask over queries and keys as (N, T or 1, S)."""
    if mask is None:
        return None
    N, T, S = len(q), q.shape[1], k.shape[1]
    require_arrays(function, q=q, mask=mask)
    if mask.ndim == 2:
        return check_mask(function, mask, (N, S), q)[:, None]
    return check_mask(function, mask, (N, T, S), q)


@accelerated
def dot_product_attention_forward(
    q: Array, k: Array, v: Array, mask: Array | None = None, scaled: bool = True
) -> tuple[Array, Array, DotProductAttentionCache]:
    """Attend from every query to every key:  weights = softmax(q k^T / sqrt(D)),  context = weights v.

    q: (N, T, D).  k: (N, S, D).  v: (N, S, E).  mask: (N, S) over the keys, or (N, T, S).
    scaled: False leaves out the division by sqrt(D).
    Returns context (N, T, E), weights (N, T, S) and the cache.
    Raises ShapeError when the sizes do not fit.  Vaswani et al. 2017, eq. 1.
    """
    xp = check(dot_product_attention_forward, q=(q, "N T D"), k=(k, "N S D"), v=(v, "N S E"))
    mask = _check_attention_mask(dot_product_attention_forward, mask, q, k)

    context, cache = _attend(xp, q, k, v, mask, scaled)
    return context, cache.weights, cache


@accelerated
def dot_product_attention_backward(
    dcontext: Array, dweights: Array | None, cache: DotProductAttentionCache
) -> tuple[Array, Array, Array]:
    """Gradients of dot_product_attention_forward.  dcontext: (N, T, E).  dweights: (N, T, S) or None.

    Returns dq, dk, dv.
    context = weights v gives  dv = weights^T dcontext  and  dcontext v^T  for the weights; back through the
    softmax that is dscores, and scores = q k^T gives  dq = dscores k  and  dk = dscores^T q.
    """
    N, T, S = cache.weights.shape
    check_dout(dot_product_attention_backward, (N, T, cache.v.shape[2]), dcontext=dcontext)
    if dweights is not None:
        check_dout(dot_product_attention_backward, (N, T, S), dweights=dweights)

    return _attend_backward(dcontext, dweights, cache)


class MultiHeadAttentionCache(NamedTuple):
    inputs: tuple[Array, Array, Array]  # q (N, T, Q), k (N, S, K), v (N, S, E)
    projections: tuple[Array, Array, Array]  # Wq, Wk, Wv
    Wo: Array  # (P, O)
    joined: Array  # (N, T, P): the heads side by side
    heads: DotProductAttentionCache  # with a second axis of heads


def _split_heads(x: Array, heads: int) -> Array:
    """(N, T, heads * D) to (N, heads, T, D)."""
    N, T, width = x.shape
    return x.reshape(N, T, heads, width // heads).swapaxes(1, 2)


def _join_heads(x: Array) -> Array:
    """(N, heads, T, D) to (N, T, heads * D)."""
    N, heads, T, width = x.shape
    return x.swapaxes(1, 2).reshape(N, T, heads * width)


@accelerated
def multi_head_attention_forward(
    q: Array,
    k: Array,
    v: Array,
    Wq: Array,
    Wk: Array,
    Wv: Array,
    Wo: Array,
    heads: int,
    mask: Array | None = None,
) -> tuple[Array, Array, MultiHeadAttentionCache]:
    """Several scaled dot-product attentions side by side, each on its own projection:

    head_j = attention(q Wq_j, k Wk_j, v Wv_j),  out = [head_1 ... head_heads] Wo,
    where Wq_j, Wk_j, Wv_j are blocks of columns of Wq, Wk, Wv.

    q: (N, T, Q).  k: (N, S, K).  v: (N, S, E).  Wq: (Q, M).  Wk: (K, M).  Wv: (E, P).  Wo: (P, O).
    heads: divides M and P.  mask: (N, S) over the keys, or (N, T, S); the same for every head.
    Returns out (N, T, O), weights (N, heads, T, S) and the cache.
    Raises ShapeError when the sizes do not fit or heads does not divide them, InputError for heads below 1.
    Vaswani et al. 2017, section 3.2.2.
    """
    xp = check(
        multi_head_attention_forward,
        q=(q, "N T Q"),
        k=(k, "N S K"),
        v=(v, "N S E"),
        Wq=(Wq, "Q M"),
        Wk=(Wk, "K M"),
        Wv=(Wv, "E P"),
        Wo=(Wo, "P O"),
    )
    heads = whole(multi_head_attention_forward, "heads", heads)
    if Wq.shape[1] % heads or Wv.shape[1] % heads:
        raise shape_error(
            multi_head_attention_forward, "heads must divide the columns", heads=heads, Wq=Wq, Wv=Wv
        )
    mask = _check_attention_mask(multi_head_attention_forward, mask, q, k)

    mask = mask if mask is None else mask[:, None]  # the same for every head
    qs, ks, vs = (_split_heads(project(x, w), heads) for x, w in ((q, Wq), (k, Wk), (v, Wv)))
    contexts, cache = _attend(xp, qs, ks, vs, mask, scaled=True)
    joined = _join_heads(contexts)
    out = project(joined, Wo)
    return out, cache.weights, MultiHeadAttentionCache((q, k, v), (Wq, Wk, Wv), Wo, joined, cache)


@accelerated
def multi_head_attention_backward(
    dout: Array, dweights: Array | None, cache: MultiHeadAttentionCache
) -> tuple[Array, Array, Array, Array, Array, Array, Array]:
    """Gradients of multi_head_attention_forward.  dout: (N, T, O).  dweights: (N, heads, T, S) or None.

    Returns dq, dk, dv, dWq, dWk, dWv, dWo.
    The chain in reverse: through Wo, through each head's attention, through the three projections.
    """
    inputs, projections, Wo, joined, heads = cache
    check_dout(multi_head_attention_backward, (*joined.shape[:2], Wo.shape[1]), dout=dout)
    if dweights is not None:
        check_dout(multi_head_attention_backward, heads.weights.shape, dweights=dweights)

    djoined, dWo = project_gradients(dout, joined, Wo)
    dprojected = _attend_backward(_split_heads(djoined, heads.q.shape[1]), dweights, heads)
    (dq, dWq), (dk, dWk), (dv, dWv) = (
        project_gradients(_join_heads(d), x, w)
        for d, x, w in zip(dprojected, inputs, projections, strict=True)
    )
    return dq, dk, dv, dWq, dWk, dWv, dWo
