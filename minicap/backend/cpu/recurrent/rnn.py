"""The vanilla RNN over whole sequences."""

from typing import Any, NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.cpu.recurrent.product import step_product
from minicap.backend.cpu.recurrent.sequence import (
    fits,
    input_gradient,
    input_product,
    left_out,
    rows,
    split_bias,
    state_weights_gradient,
    states_gradient,
    with_ones,
)


class RnnCache(NamedTuple):
    x: Array  # (T, N, D + 1), with ones
    Wx: Array  # (D, H)
    Wh: Array  # (H, H)
    h: Array  # (T + 1, N, H) states, h[0] = h0
    activation: str
    left_out: list[Any]  # one per step: the sequences that the mask leaves out


def supports(x: Any, h0: Any, Wx: Any, Wh: Any, b: Any, activation: str = "tanh", mask: Any = None) -> bool:
    """Sequences with or without a mask."""
    return activation in ("tanh", "relu") and fits(1, x, h0, Wx, Wh, b, mask=mask)


def rnn_forward(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    activation: str = "tanh",
    mask: Array | None = None,
) -> tuple[Array, RnnCache]:
    """The product with h and one pass per step, which overwrite the pre-activations."""
    (N, T, _), H = x.shape, len(Wh)
    x = with_ones(x)
    h = np.empty((T + 1, N, H), x.dtype)
    h[0] = h0
    input_product(x, Wx[None], b[None], np.ones(1, x.dtype), h[None, 1:])
    add_from_h = step_product(Wh[None, None], N)
    zeros = np.zeros(H, x.dtype)  # a row of zeros is three times faster than one zero
    skipped = left_out(mask, T)
    for t, out in enumerate(skipped):
        if t or h0.any():
            add_from_h(h[t : t + 1], h[t + 1 : t + 2])
        if activation == "tanh":
            np.tanh(h[t + 1], out=h[t + 1])
        else:
            np.maximum(h[t + 1], zeros, out=h[t + 1])
        if out is not None:
            h[t + 1, out] = h[t, out]
    return h[1:].swapaxes(0, 1), RnnCache(x, Wx, Wh, h, activation, skipped)


def rnn_backward(dh: Array, cache: RnnCache) -> tuple[Array, Array, Array, Array, Array]:
    """A few passes and the product with da per step."""
    x, Wx, Wh, h, activation, skipped = cache
    check_dout(rnn_backward, (h.shape[1], len(h) - 1, h.shape[2]), dh=dh)
    add_from_da = step_product(Wh.T[None, None], len(dh))
    dstates = states_gradient(dh, h)
    da = np.empty_like(h[1:])
    for t, out in reversed(list(enumerate(skipped))):
        if activation == "tanh":
            np.multiply(h[t + 1], h[t + 1], out=da[t])
            np.subtract(1, da[t], out=da[t])
            da[t] *= dstates[t + 1]
        else:
            np.multiply(h[t + 1] > 0, dstates[t + 1], out=da[t])
        if out is not None:
            da[t, out] *= 0  # where dh is not finite, NaN
            dstates[t, out] += dstates[t + 1, out]
        add_from_da(da[t : t + 1], dstates[t : t + 1])
    dWx, db = split_bias(rows(x).T @ rows(da))
    return input_gradient(da, Wx), dstates[0], dWx, state_weights_gradient(h, da), db


RNN = Override("rnn", rnn_forward, supports, RnnCache, rnn_backward)
