"""The vanilla recurrent network (Elman 1990), one step and whole sequences."""

from collections.abc import Callable
from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.errors import InputError
from minicap.layers.checks import check_dout
from minicap.layers.sequence import carry, carry_gradients, check_recurrent, step_masks


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

    a = x @ Wx + prev_h @ Wh + b
    next_h = xp.tanh(a) if activation == "tanh" else xp.maximum(a, 0)
    return next_h, RnnStepCache(x, prev_h, Wx, Wh, next_h, activation)


@accelerated
def rnn_step_backward(dnext_h: Array, cache: RnnStepCache) -> tuple[Array, Array, Array, Array, Array]:
    """Gradients of rnn_step_forward.  dnext_h: (N, H).  Returns dx, dprev_h, dWx, dWh, db.

    With a = x Wx + prev_h Wh + b:  da = dnext_h * act'(a), and act' follows from the output,
    1 - next_h^2 for tanh.  The rest are the gradients of two products.
    """
    x, prev_h, Wx, Wh, next_h, activation = cache
    check_dout(rnn_step_backward, next_h.shape, dnext_h=dnext_h)

    da = dnext_h * (1 - next_h**2 if activation == "tanh" else next_h > 0)
    return da @ Wx.T, da @ Wh.T, x.T @ da, prev_h.T @ da, da.sum(axis=0)


class RnnCache(NamedTuple):
    steps: list[Any]  # the caches of rnn_step_forward
    mask: Any  # one factor (N, 1) or None per step
    shape: tuple[int, ...]  # (N, T, H)


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
    """A vanilla RNN over sequences: rnn_step_forward at every step, from h0 on.

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

    h, hs, steps = h0, [], []
    for t in range(x.shape[1]):
        next_h, step = rnn_step_forward(x[:, t], h, Wx, Wh, b, activation)
        h = carry(keep[t], next_h, h)
        hs.append(h)
        steps.append(step)
    out = xp.stack(hs, axis=1)
    return out, RnnCache(steps, keep, out.shape)


@accelerated
def rnn_backward(dh: Array, cache: RnnCache) -> tuple[Array, ...]:
    """Gradients of rnn_forward.  dh: (N, T, H).  Returns dx, dh0, dWx, dWh, db.

    Backward through time: a state receives its own gradient and that of the next step.  Every step used
    the same weights, so their gradients are sums over the steps.
    """
    steps, keep, shape = cache
    xp = check_dout(rnn_backward, shape, dh=dh)

    dx, dprev_h = [], xp.zeros_like(dh[:, 0])
    dweights: list[Any] = [0, 0, 0]  # dWx, dWh, db
    for t in reversed(range(len(steps))):
        dnext_h, dcarried = carry_gradients(keep[t], dh[:, t] + dprev_h)
        dx_t, dprev_h, *of_step = rnn_step_backward(dnext_h, steps[t])
        dprev_h = dprev_h + dcarried
        dx.append(dx_t)
        dweights = [total + new for total, new in zip(dweights, of_step, strict=True)]
    return xp.stack(dx[::-1], axis=1), dprev_h, *dweights


def _check_activation(function: Callable[..., Any], activation: str) -> None:
    if activation not in ("tanh", "relu"):
        raise InputError(f'{function.__name__}: activation is {activation!r} but must be "tanh" or "relu"')
