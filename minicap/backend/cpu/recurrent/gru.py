"""The GRU over whole sequences, with the reset after the product.

As in the LSTM, halved weights let one tanh serve both sigmoids.  Next to the gates r, z and the candidate n
lies u = h Wh_n + bh_n, which the reset multiplies.  A sequence that the mask leaves out has z = 1 and n = 0:
its state stays the same, and its gates get no gradient.
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


class GruCache(NamedTuple):
    x: Array  # (T, N, D + 1), with ones
    Wx: Array  # (D, 3H)
    Wh: Array  # (H, 3H)
    h: Array  # (T + 1, N, H) states, h[0] = h0
    gates: Array  # (4, T, N, H): u, r, z, n


def supports(
    x: Any, h0: Any, Wx: Any, Wh: Any, b: Any, bh: Any, reset_after: bool = True, mask: Any = None
) -> bool:
    """Whether these are sequences, with or without a mask, and the reset comes after the product."""
    return reset_after and fits(3, x, h0, Wx, Wh, b, bh, mask=mask)


def gru_forward(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    bh: Array,
    reset_after: bool = True,
    mask: Array | None = None,
) -> tuple[Array, GruCache]:
    """The product with h and nine passes per step."""
    (N, T, _), H = x.shape, len(Wh)
    halved = np.array([0.5, 0.5, 1], x.dtype)
    x = with_ones(x)
    gates, h = np.empty((4, T, N, H), x.dtype), np.empty((T + 1, N, H), x.dtype)
    h[0] = h0
    bias, bias_h = gates_first(b, 3).copy(), gates_first(bh, 3)
    bias[:2] += bias_h[:2]
    gates[0] = bias_h[2]
    input_product(x, gates_first(Wx, 3), bias, halved, gates[1:])
    add_from_h = step_product(np.roll(gates_first(Wh, 3), 1, axis=0)[None], N, np.roll(halved, 1))
    for t, out in enumerate(left_out(mask, T)):
        if t or h0.any():
            add_from_h(h[t : t + 1], gates[:3, t])
        rz = gates[1:3, t]
        np.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        (u, r, z, n), next_h = gates[:, t], h[t + 1]
        np.multiply(r, u, out=next_h)
        n += next_h
        np.tanh(n, out=n)
        if out is not None:
            z[out], n[out] = 1, 0
        np.subtract(h[t], n, out=next_h)
        next_h *= z
        next_h += n
    return h[1:].swapaxes(0, 1), GruCache(x, Wx, Wh, h, gates)


def gru_backward(dh: Array, cache: GruCache) -> tuple[Array, Array, Array, Array, Array, Array]:
    """The slopes of several steps at once, then three passes and the product with du per step."""
    x, Wx, Wh, h, gates = cache
    check_dout(gru_backward, (h.shape[1], len(h) - 1, h.shape[2]), dh=dh)
    _, T, N, H = gates.shape
    add_from_du = step_product(Wh.T[None, None], N)
    dstates, carried = states_gradient(dh, h), np.empty_like(h[0])
    both = np.empty((T, N, 4 * H), x.dtype)
    da, du = both[..., : 3 * H], both[..., H:]  # blocks n, r, z of da and r, z, n of du
    for steps in chunks_backwards(h):
        slopes = _slopes(gates[:, steps], h[steps])
        for t in reversed(range(steps.start, steps.stop)):
            dgates, dnext_h = slopes[:, t - steps.start], dstates[t + 1]
            np.multiply(dgates, dnext_h, out=gates_first(both[t], 4))
            np.multiply(dnext_h, gates[2, t], out=carried)
            dstates[t] += carried
            add_from_du(du[t : t + 1], dstates[t : t + 1])
    dW = np.empty((x.shape[2], 3 * H), x.dtype)
    np.matmul(rows(x).T, rows(da[..., H:]), out=dW[:, : 2 * H])
    np.matmul(rows(x).T, rows(da[..., :H]), out=dW[:, 2 * H :])
    dWx, db = split_bias(dW)
    dbh = np.concatenate((db[: 2 * H], rows(x)[:, -1] @ rows(du[..., 2 * H :])))
    dx = input_gradient(da, np.roll(Wx, H, axis=1))
    return dx, dstates[0], dWx, state_weights_gradient(h, du), db, dbh


def _slopes(gates: Array, prev_h: Array) -> Array:
    """The derivatives of h by the pre-activations of n, r, z and by u.

    They depend on no later step, so several steps are done at once.
    """
    u, r, _, n = gates
    slopes = np.empty_like(gates, order="C")
    dn, dr, dz, du = slopes
    np.subtract(1, gates[1:3], out=slopes[1:3])
    np.multiply(n, n, out=dn)
    np.subtract(1, dn, out=dn)
    dn *= dz  # still 1 - z
    slopes[1:3] *= gates[1:3]
    np.subtract(prev_h, n, out=du)
    dz *= du
    dr *= u
    dr *= dn
    np.multiply(dn, r, out=du)
    return slopes


GRU = Override("gru", gru_forward, supports, GruCache, gru_backward)
