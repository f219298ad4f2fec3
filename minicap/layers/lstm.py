"""Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.layers.activations import sigmoid
from minicap.layers.checks import check_dout
from minicap.layers.sequence import blocks, carry, carry_gradients, check_recurrent, step_masks


class LstmStepCache(NamedTuple):
    x: Array  # (N, D)
    prev_h: Array  # (N, H)
    prev_c: Array  # (N, H)
    Wx: Array  # (D, 4H)
    Wh: Array  # (H, 4H)
    gates: tuple[Array, Array, Array, Array]  # (N, H) each: i, f, o, g
    tanh_c: Array  # (N, H): tanh(next_c)


@accelerated
def lstm_step_forward(
    x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Array, LstmStepCache]:
    """One step of an LSTM.

    i, f, o = sigmoid and g = tanh of the four blocks of  a = x Wx + prev_h Wh + b,
    next_c = f * prev_c + i * g,  next_h = o * tanh(next_c).

    x: (N, D).  prev_h, prev_c: (N, H).  Wx: (D, 4H).  Wh: (H, 4H).  b: (4H,).
    Returns next_h (N, H), next_c (N, H) and the cache.
    Raises ShapeError when the sizes do not fit.
    """
    xp = check_recurrent(
        lstm_step_forward,
        4,
        x=(x, "N D"),
        prev_h=(prev_h, "N H"),
        prev_c=(prev_c, "N H"),
        Wh=(Wh, "H G"),
        Wx=(Wx, "D G"),
        b=(b, "G"),
    )

    a_i, a_f, a_o, a_g = blocks(x @ Wx + prev_h @ Wh + b, 4)
    i, f, o, g = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o), xp.tanh(a_g)
    next_c = i * g + f * prev_c
    tanh_c = xp.tanh(next_c)
    next_h = o * tanh_c
    return next_h, next_c, LstmStepCache(x, prev_h, prev_c, Wx, Wh, (i, f, o, g), tanh_c)


@accelerated
def lstm_step_backward(
    dnext_h: Array, dnext_c: Array, cache: LstmStepCache
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of lstm_step_forward.  dnext_h, dnext_c: (N, H).

    Returns dx, dprev_h, dprev_c, dWx, dWh, db.
    The cell affects the loss in two ways, so dc = dnext_c + dnext_h * o * (1 - tanh(next_c)^2); from it
    di = dc * g, df = dc * prev_c, dg = dc * i, and dprev_c = dc * f, while do = dnext_h * tanh(next_c).
    Times the slope of each gate this is da, and the rest are the gradients of two products.
    """
    x, prev_h, prev_c, Wx, Wh, (i, f, o, g), tanh_c = cache
    xp = check_dout(lstm_step_backward, prev_c.shape, dnext_h=dnext_h)
    check_dout(lstm_step_backward, prev_c.shape, dnext_c=dnext_c)

    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    di, df, do, dg = dc * g, dc * prev_c, dnext_h * tanh_c, dc * i
    da = xp.concatenate((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)), axis=1)
    return da @ Wx.T, da @ Wh.T, dc * f, x.T @ da, prev_h.T @ da, da.sum(axis=0)


class LstmCache(NamedTuple):
    steps: list[Any]  # the caches of lstm_step_forward
    c: list[Array]  # (N, H) the cell after each step; c[-1] is the last one
    mask: Any  # one factor (N, 1) or None per step
    shape: tuple[int, ...]  # (N, T, H)

    @property
    def last_c(self) -> Array:
        """The cell (N, H) after the last step."""
        return self.c[-1]


@accelerated
def lstm_forward(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    c0: Array | None = None,
    mask: Array | None = None,
) -> tuple[Array, LstmCache]:
    """An LSTM over sequences: lstm_step_forward at every step, from h0 and c0 on.

    x: (N, T, D).  h0: (N, H).  Wx: (D, 4H).  Wh: (H, 4H).  b: (4H,).  c0: (N, H), zero when not given.
    mask: (N, T), 0 where state and cell are carried on unchanged, so that h[:, -1] is the last real state.
    Returns h (N, T, H) and the cache.
    Raises ShapeError when the sizes do not fit.
    """
    xp = check_recurrent(
        lstm_forward,
        4,
        x=(x, "N T D"),
        h0=(h0, "N H"),
        Wh=(Wh, "H G"),
        Wx=(Wx, "D G"),
        b=(b, "G"),
        c0=(c0, "N H?"),
    )
    keep = step_masks(lstm_forward, mask, x)

    h, c = h0, xp.zeros_like(h0) if c0 is None else c0
    hs, cs, steps = [], [], []
    for t in range(x.shape[1]):
        next_h, next_c, step = lstm_step_forward(x[:, t], h, c, Wx, Wh, b)
        h, c = carry(keep[t], next_h, h), carry(keep[t], next_c, c)
        hs.append(h)
        cs.append(c)
        steps.append(step)
    out = xp.stack(hs, axis=1)
    return out, LstmCache(steps, cs, keep, out.shape)


@accelerated
def lstm_backward(dh: Array, cache: LstmCache) -> tuple[Array, ...]:
    """Gradients of lstm_forward.  dh: (N, T, H).  Returns dx, dh0, dWx, dWh, db, dc0 (also without c0).

    Backward through time: a state gets its own gradient and the one from the step after it, a cell only
    the latter.  Every step used the same weights, so their gradients are sums over the steps.
    """
    steps, _, keep, shape = cache
    xp = check_dout(lstm_backward, shape, dh=dh)

    dx, dprev_h, dprev_c = [], xp.zeros_like(dh[:, 0]), xp.zeros_like(dh[:, 0])
    dweights: list[Any] = [0, 0, 0]  # dWx, dWh, db
    for t in reversed(range(len(steps))):
        dnext_h, dh_carried = carry_gradients(keep[t], dh[:, t] + dprev_h)
        dnext_c, dc_carried = carry_gradients(keep[t], dprev_c)
        dx_t, dprev_h, dprev_c, *of_step = lstm_step_backward(dnext_h, dnext_c, steps[t])
        dprev_h, dprev_c = dprev_h + dh_carried, dprev_c + dc_carried
        dx.append(dx_t)
        dweights = [total + new for total, new in zip(dweights, of_step, strict=True)]
    return xp.stack(dx[::-1], axis=1), dprev_h, *dweights, dprev_c
