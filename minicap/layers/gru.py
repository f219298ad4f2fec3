"""The gated recurrent unit (Cho et al. 2014), and the variant with the reset after the product (cuDNN)."""

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
    step_masks,
    time_first,
)


class GruCell(NamedTuple):
    """What one step's backward needs to know of its forward."""

    prev_h: Array  # (N, H)
    rz: Array  # (N, 2H): the gates r and z
    n: Array  # (N, H): the candidate state
    hn: Array  # (N, H): prev_h Wh_n + bh_n, or r * prev_h when the reset comes before the product


def _cell_forward(
    xp: Any, a: Array, prev_h: Array, Wh: Array, bh: Array, reset_after: bool
) -> tuple[Array, GruCell]:
    """The equations of the GRU.  a: (N, 3H) = x Wx + b.  Returns next_h and the cell."""
    H = prev_h.shape[1]
    if reset_after:
        u = prev_h @ Wh + bh
        rz = sigmoid(a[:, : 2 * H] + u[:, : 2 * H])
        r, z = rz[:, :H], rz[:, H:]
        hn = u[:, 2 * H :]
        n = xp.tanh(a[:, 2 * H :] + r * hn)
    else:
        rz = sigmoid(a[:, : 2 * H] + prev_h @ Wh[:, : 2 * H] + bh[: 2 * H])
        r, z = rz[:, :H], rz[:, H:]
        hn = r * prev_h
        n = xp.tanh(a[:, 2 * H :] + hn @ Wh[:, 2 * H :] + bh[2 * H :])
    return (1 - z) * n + z * prev_h, GruCell(prev_h, rz, n, hn)


def _cell_backward(
    xp: Any, dnext_h: Array, cell: GruCell, Wh: Array, reset_after: bool
) -> tuple[Array, Array, Array]:
    """Gradients of _cell_forward: da (N, 3H) of x Wx + b, du (N, 3H) of h Wh + bh, and dprev_h."""
    prev_h, rz, n, hn = cell
    H = prev_h.shape[1]
    r, z = rz[:, :H], rz[:, H:]
    dz = dnext_h * (prev_h - n) * z * (1 - z)
    dn = dnext_h * (1 - z) * (1 - n**2)
    if reset_after:
        dr = dn * hn * r * (1 - r)
        da = xp.concatenate((dr, dz, dn), axis=1)
        du = xp.concatenate((dr, dz, dn * r), axis=1)
        return da, du, dnext_h * z + du @ Wh.T
    dreset = dn @ Wh[:, 2 * H :].T
    dr = dreset * prev_h * r * (1 - r)
    da = xp.concatenate((dr, dz, dn), axis=1)
    return da, da, dnext_h * z + dreset * r + da[:, : 2 * H] @ Wh[:, : 2 * H].T


def _recurrent_gradients(
    xp: Any, prev_h: Array, hn: Array, du: Array, reset_after: bool
) -> tuple[Array, Array]:
    """dWh and dbh.  prev_h, hn: (M, H).  du: (M, 3H), where M runs over the samples of all steps."""
    if reset_after:
        dWh = prev_h.T @ du
    else:  # the candidate's block multiplied r * prev_h
        H = prev_h.shape[1]
        dWh = xp.concatenate((prev_h.T @ du[:, : 2 * H], hn.T @ du[:, 2 * H :]), axis=1)
    return dWh, du.sum(axis=0)


class GruStepCache(NamedTuple):
    x: Array  # (N, D)
    Wx: Array  # (D, 3H)
    Wh: Array  # (H, 3H)
    cell: GruCell
    reset_after: bool


@accelerated
def gru_step_forward(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, bh: Array, reset_after: bool = True
) -> tuple[Array, GruStepCache]:
    """One step of a GRU.  With a = x Wx + b and u = prev_h Wh + bh in blocks r, z, n:

    r = sigmoid(a_r + u_r),  z = sigmoid(a_z + u_z),  n = tanh(a_n + r * u_n),
    next_h = (1 - z) * n + z * prev_h.

    x: (N, D).  prev_h: (N, H).  Wx: (D, 3H).  Wh: (H, 3H).  b, bh: (3H,).
    reset_after: False for n = tanh(a_n + (r * prev_h) Wh_n + bh_n), as Cho et al. 2014 have it.
    Returns next_h (N, H) and the cache.
    Raises ShapeError when the sizes do not fit.
    """
    xp = check_recurrent(
        gru_step_forward,
        3,
        x=(x, "N D"),
        prev_h=(prev_h, "N H"),
        Wh=(Wh, "H G"),
        Wx=(Wx, "D G"),
        b=(b, "G"),
        bh=(bh, "G"),
    )
    next_h, cell = _cell_forward(xp, x @ Wx + b, prev_h, Wh, bh, reset_after)
    return next_h, GruStepCache(x, Wx, Wh, cell, reset_after)


@accelerated
def gru_step_backward(dnext_h: Array, cache: GruStepCache) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of gru_step_forward.  dnext_h: (N, H).  Returns dx, dprev_h, dWx, dWh, db, dbh.

    next_h = (1 - z) * n + z * prev_h  gives  dn = dnext_h * (1 - z)  and  dz = dnext_h * (prev_h - n).
    Inside the tanh, r multiplies u_n, so dr = dn' * u_n and du_n = dn' * r, with dn' = dn * (1 - n^2);
    with the reset before the product, d(r * prev_h) = dn' Wh_n^T is shared out between r and prev_h.
    Times the slope of each gate these are da and du; they differ in the block n alone.
    """
    x, Wx, Wh, cell, reset_after = cache
    xp = check_dout(gru_step_backward, cell.prev_h.shape, dnext_h=dnext_h)
    da, du, dprev_h = _cell_backward(xp, dnext_h, cell, Wh, reset_after)
    dWh, dbh = _recurrent_gradients(xp, cell.prev_h, cell.hn, du, reset_after)
    return da @ Wx.T, dprev_h, x.T @ da, dWh, da.sum(axis=0), dbh


class GruCache(NamedTuple):
    x: Array  # (N, T, D)
    Wx: Array  # (D, 3H)
    Wh: Array  # (H, 3H)
    h: Array  # (T + 1, N, H) states, h[0] = h0
    cells: list[GruCell]  # one a step
    reset_after: bool
    mask: Any  # one factor (N, 1) a step, or None a step


@accelerated
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
    """A GRU over sequences: gru_step_forward at every step, from h0 on.

    x: (N, T, D).  h0: (N, H).  Wx: (D, 3H).  Wh: (H, 3H).  b, bh: (3H,).  reset_after: as in the step.
    mask: (N, T), 0 where the state is carried on unchanged, so that h[:, -1] is the last real state.
    Returns h (N, T, H) and the cache.
    Raises ShapeError when the sizes do not fit.
    """
    xp = check_recurrent(
        gru_forward,
        3,
        x=(x, "N T D"),
        h0=(h0, "N H"),
        Wh=(Wh, "H G"),
        Wx=(Wx, "D G"),
        b=(b, "G"),
        bh=(bh, "G"),
    )
    keep = step_masks(gru_forward, mask, x)
    T = x.shape[1]
    a = input_product(x, Wx, b)
    h = xp.empty((T + 1, *h0.shape), dtype=x.dtype)
    h[0] = h0
    cells = []
    for t in range(T):
        next_h, cell = _cell_forward(xp, a[t], h[t], Wh, bh, reset_after)
        h[t + 1] = carry(keep[t], next_h, h[t])
        cells.append(cell)
    return time_first(h[1:]), GruCache(x, Wx, Wh, h, cells, reset_after, keep)


@accelerated
def gru_backward(dh: Array, cache: GruCache) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of gru_forward.  dh: (N, T, H).  Returns dx, dh0, dWx, dWh, db, dbh.

    Backward through time: a state gets its own gradient and the one from the step after it.  The steps
    leave their da and du behind, and the weights' gradients are sums over time, one product each.
    """
    x, Wx, Wh, h, cells, reset_after, keep = cache
    T, H = x.shape[1], len(Wh)
    xp = check_dout(gru_backward, (len(x), T, H), dh=dh)
    da = xp.empty((T, len(x), 3 * H), dtype=h.dtype)
    du = xp.empty_like(da)
    dprev_h = xp.zeros_like(h[0])
    for t in reversed(range(T)):
        dnext_h, dcarried = carry_gradients(keep[t], dh[:, t] + dprev_h)
        da[t], du[t], dprev_h = _cell_backward(xp, dnext_h, cells[t], Wh, reset_after)
        dprev_h = dprev_h + dcarried
    dx, dWx, db = input_gradients(da, x, Wx)
    hn = xp.concatenate([cell.hn for cell in cells])
    dWh, dbh = _recurrent_gradients(xp, h[:-1].reshape(-1, H), hn, du.reshape(-1, 3 * H), reset_after)
    return dx, dprev_h, dWx, dWh, db, dbh
