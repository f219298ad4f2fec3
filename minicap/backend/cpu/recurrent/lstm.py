"""The LSTM over whole sequences.

sigmoid(a) = (1 + tanh(a / 2)) / 2, so with the weights of i, f, o halved one tanh serves all four gates.
"""

from typing import Any, NamedTuple

import numpy as np

from minicap.backend.arrays import Array
from minicap.backend.checks import check_dout
from minicap.backend.cpu.recurrent.product import step_product
from minicap.backend.cpu.recurrent.sequence import (
    chunks_backwards,
    fits,
    gates_first,
    input_gradient,
    input_product,
    rows,
    split_bias,
    states_gradient,
    with_ones,
)
from minicap.backend.dispatch import Override


class LstmCache(NamedTuple):
    x: Array  # (T, N, D + 1), with ones
    Wx: Array  # (D, 4H)
    Wh: Array  # (H, 4H)
    h: Array  # (T + 1, N, H) states, h[0] = h0
    c: Array  # (T + 1, N, H) cells, c[0] = c0
    gates: Array  # (4, T, N, H): i, f, o, g
    tanh_c: Array  # (T, N, H): tanh(c[1:])
    c0_given: bool


def supports(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any, c0: Any = None, mask: Any = None) -> bool:
    """Sequences without a mask."""
    return mask is None and fits(4, x, h0, Wx, Wh, b, c0=c0)


def lstm_forward(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, c0: Array | None = None, mask: None = None
) -> tuple[Array, LstmCache]:
    """The product with h and eight passes a step."""
    (N, T, _), H = x.shape, len(Wh)
    halved = np.array([0.5, 0.5, 0.5, 1], x.dtype).reshape(4, 1, 1)
    x = with_ones(x)
    gates, tanh_c = np.empty((4, T, N, H), x.dtype), np.empty((T, N, H), x.dtype)
    h, c = np.empty((T + 1, N, H), x.dtype), np.empty((T + 1, N, H), x.dtype)
    h[0], c[0] = h0, 0 if c0 is None else c0
    input_product(x, gates_first(Wx, 4) * halved, gates_first(b, 4) * halved[..., 0], gates)
    add_from_h = step_product(gates_first(Wh, 4) * halved, N)
    new = np.empty((N, H), x.dtype)
    for t in range(T):
        if t or h0.any():
            add_from_h(h[t], gates[:, t])
        np.tanh(gates[:, t], out=gates[:, t])
        sigmoids = gates[:3, t]
        sigmoids *= 0.5
        sigmoids += 0.5
        i, f, o, g = gates[:, t]
        np.multiply(i, g, out=new)
        np.multiply(f, c[t], out=c[t + 1])
        c[t + 1] += new
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(o, tanh_c[t], out=h[t + 1])
    return h[1:].swapaxes(0, 1), LstmCache(x, Wx, Wh, h, c, gates, tanh_c, c0 is not None)


def lstm_backward(dh: Array, cache: LstmCache) -> tuple[Array, ...]:
    """The slopes of some steps at once, then six passes and the product with da a step."""
    x, Wx, Wh, h, c, gates, tanh_c, c0_given = cache
    check_dout(lstm_backward, (h.shape[1], len(h) - 1, h.shape[2]), dh=dh)
    T, N, H = tanh_c.shape
    add_from_da = step_product(Wh.T[None], N)
    dstates = states_gradient(dh, h)
    dc, through_tanh = np.zeros_like(h[0]), np.empty_like(h[0])
    da = np.empty((T, N, 4 * H), x.dtype)
    for steps in chunks_backwards(h):
        slopes, slope_c = _slopes(gates[:, steps], c[steps], tanh_c[steps])
        for t in reversed(range(steps.start, steps.stop)):
            dgates, dnext_h = slopes[:, t - steps.start], dstates[t + 1]
            np.multiply(dnext_h, slope_c[t - steps.start], out=through_tanh)
            dc += through_tanh
            dgates[:2] *= dc
            dgates[2] *= dnext_h
            dgates[3] *= dc
            dc *= gates[1, t]
            gates_first(da[t], 4)[...] = dgates
            add_from_da(da[t], dstates[t : t + 1])
    dWx, db = split_bias(rows(x).T @ rows(da))
    gradients = input_gradient(da, Wx), dstates[0], dWx, rows(h[:-1]).T @ rows(da), db
    return (*gradients, dc) if c0_given else gradients


def _slopes(gates: Array, prev_c: Array, tanh_c: Array) -> tuple[Array, Array]:
    """The derivatives of c by a (blocks i, f, g) and of h by a (block o), and those of h by c.

    They wait for no step after them, so this is done for some steps at once.
    """
    i, _, o, g = gates
    slopes = np.empty_like(gates, order="C")
    di, df, do, dg = slopes
    np.subtract(1, gates[:3], out=slopes[:3])
    slopes[:3] *= gates[:3]
    di *= g
    df *= prev_c
    do *= tanh_c
    np.multiply(g, g, out=dg)
    np.subtract(1, dg, out=dg)
    dg *= i
    slope_c = tanh_c * tanh_c
    np.subtract(1, slope_c, out=slope_c)
    slope_c *= o
    return slopes, slope_c


LSTM = Override("lstm", lstm_forward, supports, LstmCache, lstm_backward)
