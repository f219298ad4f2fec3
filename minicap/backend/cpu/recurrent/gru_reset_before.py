"""The GRU over whole sequences, with the reset before the product (Cho et al. 2014)."""

from typing import Any, NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.cpu.recurrent.product import step_product
from minicap.backend.cpu.recurrent.sequence import (
    fits,
    gates_first,
    input_gradient,
    input_product,
    left_out,
    rows,
    split_bias,
    states_gradient,
    with_ones,
)


class GruResetBeforeCache(NamedTuple):
    x: Array  # (T, N, D + 1), with ones
    Wx: Array  # (D, 3H)
    Wh: Array  # (H, 3H)
    h: Array  # (T + 1, N, H) states, h[0] = h0
    reset: Array  # (T, N, H): r h, what the candidate sees of the state
    gates: Array  # (3, T, N, H): r, z, n


def supports(
    x: Any, h0: Any, Wx: Any, Wh: Any, b: Any, bh: Any, reset_after: bool = True, mask: Any = None
) -> bool:
    """Whether these are sequences, with or without a mask, and the reset comes before the product."""
    return not reset_after and fits(3, x, h0, Wx, Wh, b, bh, mask=mask)


def gru_forward_reset_before(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    bh: Array,
    reset_after: bool = False,
    mask: Array | None = None,
) -> tuple[Array, GruResetBeforeCache]:
    """Two products per step, of the state and of the reset state.  Steps are left out as in gru.py."""
    (N, T, _), H = x.shape, len(Wh)
    halved = np.array([0.5, 0.5, 1], x.dtype)
    x = with_ones(x)
    gates, reset = np.empty((3, T, N, H), x.dtype), np.empty((T, N, H), x.dtype)
    h = np.empty((T + 1, N, H), x.dtype)
    h[0] = h0
    input_product(x, gates_first(Wx, 3), gates_first(b + bh, 3), halved, gates)
    add_from_h = step_product(gates_first(Wh, 3)[None, :2], N, halved[:2])
    add_from_reset = step_product(gates_first(Wh, 3)[None, 2:], N)
    for t, out in enumerate(left_out(mask, T)):
        (_, z, n), rz, next_h = gates[:, t], gates[:2, t], h[t + 1]
        add_from_h(h[t : t + 1], rz)
        np.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        np.multiply(rz[0], h[t], out=reset[t])
        add_from_reset(reset[t : t + 1], gates[2:, t])
        np.tanh(n, out=n)
        if out is not None:
            z[out], n[out] = 1, 0
        np.subtract(h[t], n, out=next_h)
        next_h *= z
        next_h += n
    return h[1:].swapaxes(0, 1), GruResetBeforeCache(x, Wx, Wh, h, reset, gates)


def gru_backward(dh: Array, cache: GruResetBeforeCache) -> tuple[Array, ...]:
    """As in the textbook, with one product each for the gradients of the weights and of x."""
    x, Wx, Wh, h, reset, gates = cache
    check_dout(gru_backward, (h.shape[1], len(h) - 1, h.shape[2]), dh=dh)
    _, T, N, H = gates.shape
    from_rz = step_product(gates_first(Wh, 3)[:2].swapaxes(1, 2)[:, None], N)
    from_n = step_product(gates_first(Wh, 3)[2:].swapaxes(1, 2)[:, None], N)
    dstates, dreset = states_gradient(dh, h), np.empty((1, N, H), x.dtype)
    da = np.empty((T, N, 3 * H), x.dtype)
    da_step = np.empty((3, N, H), x.dtype)
    for t in reversed(range(T)):
        (r, z, n), prev_h, dnext_h = gates[:, t], h[t], dstates[t + 1]
        da_step[1] = dnext_h * (prev_h - n) * z * (1 - z)
        da_step[2] = dnext_h * (1 - z) * (1 - n**2)
        dreset[...] = 0
        from_n(da_step[2:], dreset)
        da_step[0] = dreset[0] * prev_h * r * (1 - r)
        dstates[t] += dnext_h * z + dreset[0] * r
        from_rz(da_step[:2], dstates[t : t + 1])
        gates_first(da[t], 3)[...] = da_step
    dWx, db = split_bias(rows(x).T @ rows(da))
    dWh = np.empty_like(Wh)
    dWh[:, : 2 * H] = rows(h[:-1]).T @ rows(da)[:, : 2 * H]
    dWh[:, 2 * H :] = rows(reset).T @ rows(da)[:, 2 * H :]
    return input_gradient(da, Wx), dstates[0], dWx, dWh, db, db.copy()


GRU_RESET_BEFORE = Override("gru", gru_forward_reset_before, supports, GruResetBeforeCache, gru_backward)
