"""A word's look at an image: one kernel each way, beside cuBLAS's products with the caption's state."""

from typing import Any, NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.launcher import MOST_ENTRIES, Kernel, readable
from minicap.backend.gpu.masks import as_mask, mask_fits

_forward = Kernel("attention.cu", "soft_attention_step_forward")
_backward = Kernel("attention.cu", "soft_attention_step_backward")


class SoftAttentionStepKernelCache(NamedTuple):
    features: Array  # (N, L, D)
    h: Array  # (N, H)
    Wh: Array  # (H, A)
    v: Array  # (A,)
    hidden: Array  # (N, L, A): tanh(keys + h Wh + b)
    weights: Array  # (N, L)
    context: Array  # (N, D) before the gate
    w_beta: Array | None  # (H, 1)
    beta: Array | None  # (N, 1)


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
) -> tuple[Array, Array, SoftAttentionStepKernelCache]:
    """soft_attention_step_forward of minicap.layers.soft_attention."""
    xp, (N, L, D), (H, A) = backend_of(features=features).xp, features.shape, Wh.shape
    features, keys, h = map(xp.ascontiguousarray, (features, keys, h))
    hidden, weights = xp.empty_like(keys), xp.empty((N, L), dtype=keys.dtype)
    context = xp.empty((N, D), dtype=keys.dtype)
    gated = w_beta is not None
    beta, out = (xp.empty((N, 1), dtype=keys.dtype), xp.empty_like(context)) if gated else (None, None)
    given = dict(features=features, keys=keys, query=h @ Wh, b=b, v=v, mask=as_mask(mask, keys))
    gate = dict(h=h, w_beta=w_beta, b_beta=b_beta, beta=beta, out=out)
    results = dict(hidden=hidden, weights=weights, context=context)
    _forward.blocks(N, **given, **gate, **results, N=N, L=L, D=D, H=H, A=A)
    cache = SoftAttentionStepKernelCache(features, h, Wh, v, hidden, weights, context, w_beta, beta)
    return context if out is None else out, weights, cache


def soft_attention_step_backward(
    dcontext: Array,
    dweights: Array | None,
    cache: SoftAttentionStepKernelCache,
    input_gradient: bool = True,
) -> tuple[Any, ...]:
    """Its gradients: dfeatures, None without input_gradient, dkeys, dh, dWh, db, dv, dw_beta, db_beta."""
    features, h, Wh, v, hidden, weights, context, w_beta, beta = cache
    (N, L, A), D = hidden.shape, context.shape[1]
    xp = check_dout(soft_attention_step_backward, (N, D), dcontext=dcontext)
    if dweights is not None:
        check_dout(soft_attention_step_backward, (N, L), dweights=dweights)
        dweights = xp.ascontiguousarray(dweights)
    dscores, dkeys, dquery = xp.empty_like(weights), xp.empty_like(hidden), xp.empty((N, A), dtype=v.dtype)
    da = None if beta is None else xp.empty_like(beta)
    dfeatures = xp.empty_like(features) if input_gradient else None
    given = dict(dcontext=xp.ascontiguousarray(dcontext), given=dweights, features=features, v=v)
    found = dict(hidden=hidden, weights=weights, context=context, beta=beta)
    results = dict(dscores=dscores, dkeys=dkeys, dquery=dquery, dgate=da, dfeatures=dfeatures)
    _backward.blocks(N, **given, **found, **results, N=N, L=L, D=D, A=A)
    dh, dv = dquery @ Wh.T, dscores.reshape(N * L) @ hidden.reshape(N * L, A)
    of_query = h.T @ dquery, dquery.sum(axis=0), dv
    if w_beta is None or da is None:
        return dfeatures, dkeys, dh, *of_query, None, None
    return dfeatures, dkeys, dh + da @ w_beta.T, *of_query, h.T @ da, da.sum(axis=0)


def _supports(
    features: Array,
    keys: Array,
    h: Array,
    Wh: Array,
    b: Array,
    v: Array,
    w_beta: Array | None = None,
    b_beta: Array | None = None,
    mask: Array | None = None,
) -> bool:
    if not readable(features, keys, h, Wh, b, v, w_beta, b_beta) or not features.ndim == keys.ndim == 3:
        return False
    (N, L, D), (H, A) = features.shape, Wh.shape
    fits = keys.shape == (N, L, A) and h.shape == (N, H) and b.shape == v.shape == (A,)
    gates = None if w_beta is None else w_beta.shape, None if b_beta is None else b_beta.shape
    if not fits or gates not in ((None, None), ((H, 1), (1,))):
        return False
    in_one_piece = all(a is None or a.flags.c_contiguous for a in (b, v, w_beta))
    return in_one_piece and N * L * max(D, A) <= MOST_ENTRIES and mask_fits(mask, keys, (N, L))


OVERRIDES = (
    Override(
        "soft_attention_step",
        soft_attention_step_forward,
        _supports,
        SoftAttentionStepKernelCache,
        soft_attention_step_backward,
    ),
)
