"""Long short-term memory (Hochreiter & Schmidhuber 1997, with the forget gate of Gers et al. 2000)."""

from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.layers.activations import sigmoid
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


class LstmCell(NamedTuple):
    """What one step's backward needs to know of its forward."""

    gates: Array  # (N, 4H): i, f, o, g
    prev_c: Array  # (N, H)
    tanh_c: Array  # (N, H): tanh(next_c)


def _blocks(gates: Array) -> list[Array]:
    """Views of the four gate blocks i, f, o, g."""
    H = gates.shape[-1] // 4
    return [gates[..., k * H : (k + 1) * H] for k in range(4)]


def _cell_forward(xp: Any, a: Array, prev_c: Array) -> tuple[Array, Array, LstmCell]:
    """The equations of the LSTM.  a: (N, 4H) = x Wx + h Wh + b.  Returns next_h, next_c and the cell."""
    H = prev_c.shape[1]
    gates = xp.concatenate((sigmoid(a[:, : 3 * H]), xp.tanh(a[:, 3 * H :])), axis=1)
    i, f, o, g = _blocks(gates)
    next_c = f * prev_c + i * g
    tanh_c = xp.tanh(next_c)
    return o * tanh_c, next_c, LstmCell(gates, prev_c, tanh_c)


def _cell_backward(xp: Any, dnext_h: Array, dnext_c: Array, cell: LstmCell) -> tuple[Array, Array]:
    """Gradients of _cell_forward: da (N, 4H) and dprev_c."""
    gates, prev_c, tanh_c = cell
    i, f, o, g = _blocks(gates)
    dc = dnext_c + dnext_h * o * (1 - tanh_c**2)
    di, df, do, dg = dc * g, dc * prev_c, dnext_h * tanh_c, dc * i
    da = xp.concatenate((di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)), axis=1)
    return da, dc * f


class LstmStepCache(NamedTuple):
    x: Array  # (N, D)
    prev_h: Array  # (N, H)
    Wx: Array  # (D, 4H)
    Wh: Array  # (H, 4H)
    cell: LstmCell


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
    next_h, next_c, cell = _cell_forward(xp, x @ Wx + prev_h @ Wh + b, prev_c)
    return next_h, next_c, LstmStepCache(x, prev_h, Wx, Wh, cell)


@accelerated
def lstm_step_backward(
    dnext_h: Array, dnext_c: Array, cache: LstmStepCache
) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of lstm_step_forward.  dnext_h, dnext_c: (N, H).

    Returns dx, dprev_h, dprev_c, dWx, dWh, db.
    The cell hears of the loss on two ways, dc = dnext_c + dnext_h * o * (1 - tanh(next_c)^2); from it
    di = dc * g, df = dc * prev_c, dg = dc * i, and dprev_c = dc * f, while do = dnext_h * tanh(next_c).
    Times the slope of each gate this is da, and the rest are the gradients of two products.
    """
    x, prev_h, Wx, Wh, cell = cache
    xp = check_dout(lstm_step_backward, cell.prev_c.shape, dnext_h=dnext_h)
    check_dout(lstm_step_backward, cell.prev_c.shape, dnext_c=dnext_c)
    da, dprev_c = _cell_backward(xp, dnext_h, dnext_c, cell)
    return da @ Wx.T, da @ Wh.T, dprev_c, x.T @ da, prev_h.T @ da, da.sum(axis=0)


class LstmCache(NamedTuple):
    x: Array  # (N, T, D)
    Wx: Array  # (D, 4H)
    Wh: Array  # (H, 4H)
    h: Array  # (T + 1, N, H) states, h[0] = h0
    c: Array  # (T + 1, N, H) cells, c[0] = c0; c[-1] is the last one
    cells: list[LstmCell]  # one a step
    mask: Any  # one factor (N, 1) a step, or None a step


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
        c0=(c0, "N H"),
    )
    keep = step_masks(lstm_forward, mask, x)
    T = x.shape[1]
    a = input_product(x, Wx, b)
    h = xp.empty((T + 1, *h0.shape), dtype=x.dtype)
    c = xp.empty_like(h)
    h[0], c[0] = h0, 0 if c0 is None else c0
    cells = []
    for t in range(T):
        next_h, next_c, cell = _cell_forward(xp, a[t] + h[t] @ Wh, c[t])
        h[t + 1], c[t + 1] = carry(keep[t], next_h, h[t]), carry(keep[t], next_c, c[t])
        cells.append(cell)
    return time_first(h[1:]), LstmCache(x, Wx, Wh, h, c, cells, keep)


@accelerated
def lstm_backward(dh: Array, cache: LstmCache) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of lstm_forward.  dh: (N, T, H).  Returns dx, dh0, dWx, dWh, db, dc0 (also without c0).

    Backward through time: a state gets its own gradient and the one from the step after it, a cell only
    the latter.  The steps leave their da behind, and the weights' gradients are sums over time, one
    product each.
    """
    x, Wx, Wh, h, c, cells, keep = cache
    xp = check_dout(lstm_backward, (*x.shape[:2], len(Wh)), dh=dh)
    da = xp.empty((len(cells), *cells[0].gates.shape), dtype=h.dtype)
    dprev_h, dprev_c = xp.zeros_like(h[0]), xp.zeros_like(c[0])
    for t in reversed(range(len(cells))):
        dnext_h, dh_carried = carry_gradients(keep[t], dh[:, t] + dprev_h)
        dnext_c, dc_carried = carry_gradients(keep[t], dprev_c)
        da[t], dprev_c = _cell_backward(xp, dnext_h, dnext_c, cells[t])
        dprev_h, dprev_c = da[t] @ Wh.T + dh_carried, dprev_c + dc_carried
    dx, dWx, db = input_gradients(da, x, Wx)
    return dx, dprev_h, dWx, recurrent_gradient(h[:-1], da), db, dprev_c
