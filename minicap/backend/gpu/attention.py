"""Additive and dot-product attention: the products are cuBLAS's, everything between them one kernel."""

from math import sqrt
from typing import NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.launcher import MOST_ENTRIES, Kernel, readable
from minicap.backend.gpu.masks import as_mask, mask_fits

_attention_weights = Kernel("attention.cu", "attention_weights")
_attention_weights_gradient = Kernel("attention.cu", "attention_weights_gradient")
_additive_attention_forward = Kernel("attention.cu", "additive_attention_forward")
_additive_attention_backward = Kernel("attention.cu", "additive_attention_backward")
_add_context_gradient = Kernel("attention.cu", "add_context_gradient")


class AdditiveAttentionKernelCache(NamedTuple):
    h: Array  # (N, S, H)
    d: Array  # (N, D)
    W1: Array  # (H, A)
    W2: Array  # (D, A)
    v: Array  # (A,)
    hidden: Array  # (N, S, A): tanh(h W1 + d W2 + b)
    weights: Array  # (N, S)


def additive_attention_forward(
    h: Array, d: Array, W1: Array, W2: Array, b: Array, v: Array, mask: Array | None = None
) -> tuple[Array, Array, AdditiveAttentionKernelCache]:
    """additive_attention_forward of minicap.layers.attention."""
    xp, (N, S, H), A = backend_of(h=h).xp, h.shape, len(v)
    h = xp.ascontiguousarray(h)
    hidden = h.reshape(N * S, H) @ W1
    weights, context = xp.empty((N, S), dtype=h.dtype), xp.empty((N, H), dtype=h.dtype)
    arrays = dict(h=h, query=d @ W2, b=b, v=v, mask=as_mask(mask, h), hidden=hidden)
    _additive_attention_forward.blocks(N, **arrays, weights=weights, context=context, N=N, S=S, H=H, A=A)
    cache = AdditiveAttentionKernelCache(h, d, W1, W2, v, hidden.reshape(N, S, A), weights)
    return context, weights, cache


def additive_attention_backward(
    dcontext: Array, dweights: Array | None, cache: AdditiveAttentionKernelCache
) -> tuple[Array, ...]:
    """Its gradients: dh, dd, dW1, dW2, db, dv."""
    h, d, W1, W2, v, hidden, weights = cache
    (N, S, H), A = h.shape, len(v)
    xp = check_dout(additive_attention_backward, (N, H), dcontext=dcontext)
    if dweights is not None:
        check_dout(additive_attention_backward, (N, S), dweights=dweights)
        dweights = xp.ascontiguousarray(dweights)
    dcontext, dscores = xp.ascontiguousarray(dcontext), xp.empty_like(weights)
    da, da_sum = xp.empty_like(hidden), xp.empty((N, A), dtype=h.dtype)
    given = dict(dcontext=dcontext, given=dweights, h=h, v=v, hidden=hidden, weights=weights)
    results = dict(dscores=dscores, da=da, da_sum=da_sum)
    _additive_attention_backward.blocks(N, **given, **results, N=N, S=S, H=H, A=A)
    flat_da = da.reshape(N * S, A)
    dh = flat_da @ W1.T
    _add_context_gradient.threads(dh.size, dcontext=dcontext, weights=weights, dh=dh, N=N, S=S, H=H)
    dv = dscores.reshape(N * S) @ hidden.reshape(N * S, A)
    dW1 = h.reshape(N * S, H).T @ flat_da
    return dh.reshape(N, S, H), da_sum @ W2.T, dW1, d.T @ da_sum, da_sum.sum(axis=0), dv


class DotProductAttentionKernelCache(NamedTuple):
    q: Array  # (N, T, D)
    k: Array  # (N, S, D)
    v: Array  # (N, S, E)
    weights: Array  # (N, T, S)
    scale: float


def dot_product_attention_forward(
    q: Array, k: Array, v: Array, mask: Array | None = None, scaled: bool = True
) -> tuple[Array, Array, DotProductAttentionKernelCache]:
    """dot_product_attention_forward of minicap.layers.attention."""
    (N, T, D), S = q.shape, k.shape[1]
    scale = 1 / sqrt(D) if scaled else 1.0
    weights = q @ k.swapaxes(1, 2)
    queries = T if mask is not None and mask.ndim == 2 else 1
    arrays = dict(weights=weights, mask=as_mask(mask, q))
    _attention_weights.blocks(N * T, **arrays, scale=scale, rows=N * T, queries=queries, S=S)
    return weights @ v, weights, DotProductAttentionKernelCache(q, k, v, weights, scale)


def dot_product_attention_backward(
    dcontext: Array, dweights: Array | None, cache: DotProductAttentionKernelCache
) -> tuple[Array, Array, Array]:
    """Its gradients: dq, dk, dv."""
    q, k, v, weights, scale = cache
    N, T, S = weights.shape
    xp = check_dout(dot_product_attention_backward, (N, T, v.shape[2]), dcontext=dcontext)
    if dweights is not None:
        check_dout(dot_product_attention_backward, (N, T, S), dweights=dweights)
        dweights = xp.ascontiguousarray(dweights)
    dscores = dcontext @ v.swapaxes(1, 2)
    arrays = dict(dweights=dscores, given=dweights, weights=weights)
    _attention_weights_gradient.blocks(N * T, **arrays, scale=scale, rows=N * T, S=S)
    return dscores @ k, dscores.swapaxes(1, 2) @ q, weights.swapaxes(1, 2) @ dcontext


def _supports_additive(
    h: Array, d: Array, W1: Array, W2: Array, b: Array, v: Array, mask: Array | None = None
) -> bool:
    if not readable(h, d, W1, W2, b, v) or [a.ndim for a in (h, d, W1, W2, b, v)] != [3, 2, 2, 2, 1, 1]:
        return False
    (N, S, H), A = h.shape, len(v)
    fits = len(d) == N and W1.shape == (H, A) and W2.shape == (d.shape[1], A) and b.shape == (A,)
    in_one_piece = b.flags.c_contiguous and v.flags.c_contiguous and N * S * A <= MOST_ENTRIES
    return fits and in_one_piece and mask_fits(mask, h, (N, S))


def _supports_dot_product(
    q: Array, k: Array, v: Array, mask: Array | None = None, scaled: bool = True
) -> bool:
    if not readable(q, k, v) or not q.ndim == k.ndim == v.ndim == 3:
        return False
    (N, T, D), S = q.shape, k.shape[1]
    fits = k.shape == (N, S, D) and v.shape[:2] == (N, S) and N * T * S <= MOST_ENTRIES
    return fits and mask_fits(mask, q, (N, S), (N, T, S))


OVERRIDES = (
    Override(
        "additive_attention",
        additive_attention_forward,
        _supports_additive,
        AdditiveAttentionKernelCache,
        additive_attention_backward,
    ),
    Override(
        "dot_product_attention",
        dot_product_attention_forward,
        _supports_dot_product,
        DotProductAttentionKernelCache,
        dot_product_attention_backward,
    ),
)
