"""The LSTM over whole sequences.

sigmoid(a) = (1 + tanh(a / 2)) / 2, so with the weights of i, f, o halved one tanh serves all four gates.
A sequence that the mask leaves out has i = 0, f = 1, o = 0: its cell stays the same, and its gates get no
gradient.
"""

from typing import Any, NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.cpu.recurrent.product import step_product
from minicap.backend.cpu.recurrent.sequence import (
    chunks_backwards,
    fits,
    gates_first,
    input_gradient,
    input_product,
    left_out,
    rows,
    split_bias,
    state_weights_gradient,
    states_gradient,
    with_ones,
)


class LstmCache(NamedTuple):
    x: Array  # (T, N, D + 1), with ones
    Wx: Array  # (D, 4H)
    Wh: Array  # (H, 4H)
    h: Array  # (T + 1, N, H) states, h[0] = h0
    gates: Array  # (5, T, N, H): i, f, o, g, and the cell before the step
    tanh_c: Array  # (T, N, H): tanh of the cell after the step
    left_out: list[Any]  # one per step: the sequences that the mask leaves out

    @property
    def last_c(self) -> Array:
        """The cell (N, H) after the last step."""
        i, f, _, g, prev_c = self.gates[:, -1]
        return f * prev_c + i * g


def supports(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any, c0: Any = None, mask: Any = None) -> bool:
    """Sequences with or without a mask."""
    return fits(4, x, h0, Wx, Wh, b, c0=c0, mask=mask)


def lstm_forward(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    c0: Array | None = None,
    mask: Array | None = None,
) -> tuple[Array, LstmCache]:
    """The product with h and seven passes per step."""
    (N, T, _), H = x.shape, len(Wh)
    halved = np.array([0.5, 0.5, 0.5, 1], x.dtype)
    x = with_ones(x)
    gates, tanh_c = np.empty((5, T, N, H), x.dtype), np.empty((T, N, H), x.dtype)
    h, products = np.empty((T + 1, N, H), x.dtype), np.empty((2, N, H), x.dtype)
    h[0], gates[4, 0] = h0, 0 if c0 is None else c0
    input_product(x, gates_first(Wx, 4), gates_first(b, 4), halved, gates[:4])
    add_from_h = step_product(gates_first(Wh, 4)[None], N, halved)
    skipped = left_out(mask, T)
    for t, (step, out) in enumerate(zip(gates.swapaxes(0, 1), skipped, strict=True)):
        a, sigmoids = step[:4], step[:3]
        if t or h0.any():
            add_from_h(h[t : t + 1], a)
        np.tanh(a, out=a)
        sigmoids *= 0.5
        sigmoids += 0.5
        if out is not None:
            sigmoids[:, out] = np.array([[[0]], [[1]], [[0]]])
        np.multiply(step[:2], step[3:], out=products)  # i g and f c
        next_c = gates[4, t + 1] if t + 1 < T else products[0]
        np.add(products[0], products[1], out=next_c)
        np.tanh(next_c, out=tanh_c[t])
        np.multiply(step[2], tanh_c[t], out=h[t + 1])
        if out is not None:
            h[t + 1, out] = h[t, out]
    return h[1:].swapaxes(0, 1), LstmCache(x, Wx, Wh, h, gates, tanh_c, skipped)


def lstm_backward(dh: Array, cache: LstmCache) -> tuple[Array, Array, Array, Array, Array, Array]:
    """The slopes of several steps at once, then five passes and the product with da per step."""
    x, Wx, Wh, h, gates, tanh_c, skipped = cache
    check_dout(lstm_backward, (h.shape[1], len(h) - 1, h.shape[2]), dh=dh)
    T, N, H = tanh_c.shape
    add_from_da = step_product(gates_first(Wh, 4).swapaxes(1, 2)[:, None], N)
    dstates, dc = states_gradient(dh, h), np.zeros_like(h[0])
    da = np.empty((T, N, 4 * H), x.dtype)
    for steps in chunks_backwards(h):
        slopes = _slopes(gates[:, steps], tanh_c[steps])
        for t in reversed(range(steps.start, steps.stop)):
            slope = slopes[:, t - steps.start]
            slope[2::2] *= dstates[t + 1]  # o and c
            dc += slope[4]
            slope[:2] *= dc
            slope[3] *= dc
            dc *= gates[1, t]
            add_from_da(slope[:4], dstates[t : t + 1])
            if (out := skipped[t]) is not None:
                dstates[t, out] += dstates[t + 1, out]
        for da_gate, slope_gate in zip(gates_first(da[steps], 4), slopes[:4], strict=True):
            da_gate[...] = slope_gate
    dWx, db = split_bias(rows(x).T @ rows(da))
    return input_gradient(da, Wx), dstates[0], dWx, state_weights_gradient(h, da), db, dc


def _slopes(gates: Array, tanh_c: Array) -> Array:
    """The derivatives of c by the pre-activations of i, f, g, of h by that of o, and of h by c.

    They depend on no later step, so several steps are done at once.
    """
    i, _, o, g, prev_c = gates
    slopes = np.empty_like(gates, order="C")
    di, df, do, dg, dc = slopes
    np.subtract(1, gates[:3], out=slopes[:3])
    slopes[:3] *= gates[:3]
    di *= g
    df *= prev_c
    do *= tanh_c
    np.multiply(g, g, out=dg)
    np.multiply(tanh_c, tanh_c, out=dc)
    np.subtract(1, slopes[3:], out=slopes[3:])
    dg *= i
    dc *= o
    return slopes


LSTM = Override("lstm", lstm_forward, supports, LstmCache, lstm_backward)
