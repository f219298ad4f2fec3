"""Layers of convolutional captioning: the causal convolution over time, and the gated linear unit.

Gehring et al. 2017, "Convolutional Sequence to Sequence Learning"; Aneja et al. 2018, "Convolutional Image
Captioning".
"""

from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated, backend_of
from minicap.arrays.windows import whole
from minicap.layers.activations import sigmoid
from minicap.layers.checks import check, check_dout, shape_error


class Conv1dCache(NamedTuple):
    x: Array  # (N, T, D) input as given
    w: Array  # (K, D, F)
    has_bias: bool
    dilation: int


@accelerated
def conv1d_forward(x: Array, w: Array, b: Array | None, dilation: int = 1) -> tuple[Array, Conv1dCache]:
    """Causal convolution over time: a step sees itself and the past, never the future.

    out[n, t] = b + sum_k x[n, t - dilation (K - 1 - k)] w[k],  where x before its first step is zero

    x: (N, T, D).  w: (K, D, F); its last slice multiplies the present step.  b: (F,) or None.
    dilation: steps between the entries of the window.
    Returns out (N, T, F) and the cache.
    Raises ShapeError when sizes do not fit, InputError for an invalid dilation.
    Source: Aneja et al. 2018, section 3.2 (masked convolution); dilation as in van den Oord et al. 2016.
    """
    check(conv1d_forward, x=(x, "N T D"), w=(w, "K D F"), b=(b, "F?"))
    dilation = whole(conv1d_forward, "dilation", dilation)

    K, D, F = w.shape
    out = (_pasts(x, K, dilation) @ w.reshape(K * D, F)).reshape(*x.shape[:2], F)
    return (out if b is None else out + b), Conv1dCache(x, w, b is not None, dilation)


@accelerated
def conv1d_backward(dout: Array, cache: Conv1dCache) -> tuple[Array, Array, Any]:
    """Gradients of conv1d_forward.  dout: (N, T, F).  Returns dx, dw, db (F,), which is None when b was.

    out = pasts w, an affine layer; a step x[s] is in the past of t = s + dilation (K - 1 - k) for every k, so
    dx[s] is the sum of their gradients.
    """
    x, w, has_bias, dilation = cache
    (N, T, D), (K, _, F) = x.shape, w.shape
    xp = check_dout(conv1d_backward, (N, T, F), dout=dout)

    drows = dout.reshape(N * T, F)
    dw = (_pasts(x, K, dilation).T @ drows).reshape(w.shape)
    dpasts = (drows @ w.reshape(K * D, F).T).reshape(N, T, K, D)
    before = dilation * (K - 1)
    dpadded = xp.zeros((N, before + T, D), dtype=x.dtype)
    for k in range(K):
        dpadded[:, dilation * k : dilation * k + T] += dpasts[:, :, k]
    dx = dpadded[:, before:]
    return dx, dw, drows.sum(axis=0) if has_bias else None


def _pasts(x: Array, K: int, dilation: int) -> Array:
    """What each step sees, oldest first: (N*T, K*D)."""
    N, T, D = x.shape
    xp = backend_of(x=x).xp
    padded = xp.concatenate([xp.zeros((N, dilation * (K - 1), D), dtype=x.dtype), x], axis=1)
    shifted = [padded[:, dilation * k : dilation * k + T] for k in range(K)]
    return xp.concatenate(shifted, axis=2).reshape(N * T, K * D)


class GluCache(NamedTuple):
    values: Array  # (..., F), first half of x
    gate: Array  # (..., F), sigmoid of the second half


@accelerated
def glu_forward(x: Array) -> tuple[Array, GluCache]:
    """Gated linear unit: one half of the channels gates the other half.

    out = a * sigmoid(g),  where x = [a, g] along the last axis

    x: (..., 2F).  Returns out (..., F) and the cache.  Raises ShapeError when the last axis is odd.
    Source: Dauphin et al. 2017, "Language Modeling with Gated Convolutional Networks", eq. 1.
    """
    check(glu_forward, x=(x, "N ..."))
    if x.shape[-1] % 2:
        raise shape_error(glu_forward, f"the last axis, {x.shape[-1]}, cannot be split in half", x=x)

    F = x.shape[-1] // 2
    values, gate = x[..., :F], sigmoid(x[..., F:])
    return values * gate, GluCache(values, gate)


@accelerated
def glu_backward(dout: Array, cache: GluCache) -> Array:
    """Gradient of glu_forward.  dout: (..., F).  Returns dx (..., 2F).

    da = dout sigmoid(g) is a linear path, so gradients do not vanish;  dg = dout a sigmoid'(g).
    """
    values, gate = cache
    xp = check_dout(glu_backward, values.shape, dout=dout)

    return xp.concatenate([dout * gate, dout * values * gate * (1 - gate)], axis=-1)
