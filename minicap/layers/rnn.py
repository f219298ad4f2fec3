"""The vanilla recurrent network (Elman 1990), one step and whole sequences."""

from collections.abc import Callable
from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.errors import InputError
from minicap.layers.checks import check_dout
from minicap.layers.sequence import (
    carry,
    carry_gradients,
    check_recurrent,
    input_gradients,
    input_product,
    recurrent_gradient,
    step_masks,
    time_first,
)


def _next_state(xp: Any, a: Array, activation: str) -> Array:
    return xp.tanh(a) if activation == "tanh" else xp.maximum(a, 0)


def _slope(next_h: Array, activation: str) -> Array:
    """Derivative of _next_state, from its output."""
    return 1 - next_h**2 if activation == "tanh" else next_h > 0


class RnnStepCache(NamedTuple):
    x: Array  # (N, D)
    prev_h: Array  # (N, H)
    Wx: Array  # (D, H)
    Wh: Array  # (H, H)
    next_h: Array  # (N, H)
    activation: str


@accelerated
def rnn_step_forward(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, activation: str = "tanh"
) -> tuple[Array, RnnStepCache]:
    """One step of a vanilla RNN:  next_h = act(x Wx + prev_h Wh + b).

    x: (N, D).  prev_h: (N, H).  Wx: (D, H).  Wh: (H, H).  b: (H,).  activation: "tanh" or "relu".
    Returns next_h (N, H) and the cache.
    Raises ShapeError when the sizes do not fit, InputError for another activation.
    """
    xp = check_recurrent(
        rnn_step_forward, 1, x=(x, "N D"), prev_h=(prev_h, "N H"), Wx=(Wx, "D H"), Wh=(Wh, "H G"), b=(b, "H")
    )
    _check_activation(rnn_step_forward, activation)
    next_h = _next_state(xp, x @ Wx + prev_h @ Wh + b, activation)
    return next_h, RnnStepCache(x, prev_h, Wx, Wh, next_h, activation)


@accelerated
def rnn_step_backward(dnext_h: Array, cache: RnnStepCache) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of rnn_step_forward.  dnext_h: (N, H).  Returns dx, dprev_h, dWx, dWh, db.

    With a = x Wx + prev_h Wh + b:  da = dnext_h * act'(a), and act' follows from the output,
    1 - next_h^2 for tanh.  The rest are the gradients of two products.
    """
    x, prev_h, Wx, Wh, next_h, activation = cache
    check_dout(rnn_step_backward, next_h.shape, dnext_h=dnext_h)
    da = dnext_h * _slope(next_h, activation)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


class RnnCache(NamedTuple):
    x: Array  # (N, T, D)
    Wx: Array  # (D, H)
    Wh: Array  # (H, H)
    h: Array  # (T + 1, N, H) states, h[0] = h0
    activation: str
    mask: Any  # one factor (N, 1) a step, or None a step


@accelerated
def rnn_forward(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    activation: str = "tanh",
    mask: Array | None = None,
) -> tuple[Array, RnnCache]:
    """A vanilla RNN over sequences:  h[t] = act(x[t] Wx + h[t-1] Wh + b).

    x: (N, T, D).  h0: (N, H).  Wx: (D, H).  Wh: (H, H).  b: (H,).  activation: "tanh" or "relu".
    mask: (N, T), 0 where the state is carried on unchanged, so that h[:, -1] is the last real state.
    Returns h (N, T, H) and the cache.
    Raises ShapeError when the sizes do not fit, InputError for another activation.
    """
    xp = check_recurrent(
        rnn_forward, 1, x=(x, "N T D"), h0=(h0, "N H"), Wx=(Wx, "D H"), Wh=(Wh, "H G"), b=(b, "H")
    )
    _check_activation(rnn_forward, activation)
    keep = step_masks(rnn_forward, mask, x)
    T = x.shape[1]
    a = input_product(x, Wx, b)
    h = xp.empty((T + 1, *h0.shape), dtype=x.dtype)
    h[0] = h0
    for t in range(T):
        h[t + 1] = carry(keep[t], _next_state(xp, a[t] + h[t] @ Wh, activation), h[t])
    return time_first(h[1:]), RnnCache(x, Wx, Wh, h, activation, keep)


@accelerated
def rnn_backward(dh: Array, cache: RnnCache) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of rnn_forward.  dh: (N, T, H).  Returns dx, dh0, dWx, dWh, db.

    Backward through time: a state gets its own gradient and the one from the step after it.  The steps
    leave their da behind, and the weights' gradients are sums over time, one product each.
    """
    x, Wx, Wh, h, activation, keep = cache
    xp = check_dout(rnn_backward, (*x.shape[:2], len(Wh)), dh=dh)
    da = xp.empty_like(h[1:])
    dprev_h = xp.zeros_like(h[0])
    for t in reversed(range(len(da))):
        dnext_h, dcarried = carry_gradients(keep[t], dh[:, t] + dprev_h)
        da[t] = dnext_h * _slope(h[t + 1], activation)
        dprev_h = da[t] @ Wh.T + dcarried
    dx, dWx, db = input_gradients(da, x, Wx)
    return dx, dprev_h, dWx, recurrent_gradient(h[:-1], da), db


def _check_activation(function: Callable[..., Any], activation: str) -> None:
    if activation not in ("tanh", "relu"):
        raise InputError(f'{function.__name__}: activation is {activation!r} but must be "tanh" or "relu"')
