"""The gated recurrent unit (Cho et al. 2014), and the variant with the reset after the product (cuDNN)."""

from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.layers.activations import sigmoid
from minicap.layers.checks import check_dout
from minicap.layers.sequence import blocks, carry, carry_gradients, check_recurrent, step_masks


class GruStepCache(NamedTuple):
    x: Array  # (N, D)
    prev_h: Array  # (N, H)
    Wx: Array  # (D, 3H)
    Wh: Array  # (H, 3H)
    gates: tuple[Array, Array, Array]  # (N, H) each: r, z and the candidate n
    u_n: Array  # (N, H): what h adds to the candidate's pre-activation, before r * u_n where that is done
    reset_after: bool


@accelerated
def gru_step_forward(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, bh: Array, reset_after: bool = True
) -> tuple[Array, GruStepCache]:
    """One step of a GRU.  With a = x Wx + b and u = prev_h Wh + bh in blocks r, z, n:

    r = sigmoid(a_r + u_r),  z = sigmoid(a_z + u_z),  n = tanh(a_n + r * u_n),
    next_h = (1 - z) * n + z * prev_h.

    x: (N, D).  prev_h: (N, H).  Wx: (D, 3H).  Wh: (H, 3H).  b, bh: (3H,).
    reset_after: False for n = tanh(a_n + (r * prev_h) Wh_n + bh_n), as in Cho et al. 2014.
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

    a_r, a_z, a_n = blocks(x @ Wx + b, 3)
    if reset_after:
        u_r, u_z, u_n = blocks(prev_h @ Wh + bh, 3)
        r, z = sigmoid(a_r + u_r), sigmoid(a_z + u_z)
        n = xp.tanh(a_n + r * u_n)
    else:
        (Wh_r, Wh_z, Wh_n), (bh_r, bh_z, bh_n) = blocks(Wh, 3), blocks(bh, 3)
        r, z = sigmoid(a_r + prev_h @ Wh_r + bh_r), sigmoid(a_z + prev_h @ Wh_z + bh_z)
        u_n = (r * prev_h) @ Wh_n + bh_n
        n = xp.tanh(a_n + u_n)
    next_h = z * prev_h + (1 - z) * n
    return next_h, GruStepCache(x, prev_h, Wx, Wh, (r, z, n), u_n, reset_after)


@accelerated
def gru_step_backward(dnext_h: Array, cache: GruStepCache) -> tuple[Array, Array, Array, Array, Array, Array]:
    """Gradients of gru_step_forward.  dnext_h: (N, H).  Returns dx, dprev_h, dWx, dWh, db, dbh.

    next_h = (1 - z) * n + z * prev_h  gives  dn = dnext_h * (1 - z)  and  dz = dnext_h * (prev_h - n).
    Inside the tanh, r multiplies u_n, so dr = dn' * u_n and du_n = dn' * r, with dn' = dn * (1 - n^2);
    with the reset before the product, d(r * prev_h) = dn' Wh_n^T is split between r and prev_h.
    Times the slope of each gate these are da and du, which differ only in block n.
    """
    x, prev_h, Wx, Wh, (r, z, n), u_n, reset_after = cache
    xp = check_dout(gru_step_backward, prev_h.shape, dnext_h=dnext_h)

    dz = dnext_h * (prev_h - n) * z * (1 - z)
    dn = dnext_h * (1 - z) * (1 - n**2)
    if reset_after:
        dr = dn * u_n * r * (1 - r)
        du = xp.concatenate((dr, dz, dn * r), axis=1)
        dprev_h = dnext_h * z + du @ Wh.T
        dWh = prev_h.T @ du
    else:
        Wh_r, Wh_z, Wh_n = blocks(Wh, 3)
        dreset = dn @ Wh_n.T  # of r * prev_h
        dr = dreset * prev_h * r * (1 - r)
        du = xp.concatenate((dr, dz, dn), axis=1)
        dprev_h = dnext_h * z + dreset * r + dr @ Wh_r.T + dz @ Wh_z.T
        dWh = xp.concatenate((prev_h.T @ dr, prev_h.T @ dz, (r * prev_h).T @ dn), axis=1)
    da = xp.concatenate((dr, dz, dn), axis=1)
    return da @ Wx.T, dprev_h, x.T @ da, dWh, da.sum(axis=0), du.sum(axis=0)


class GruCache(NamedTuple):
    steps: list[Any]  # the caches of gru_step_forward
    mask: Any  # one factor (N, 1) or None per step
    shape: tuple[int, ...]  # (N, T, H)


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

    h, hs, steps = h0, [], []
    for t in range(x.shape[1]):
        next_h, step = gru_step_forward(x[:, t], h, Wx, Wh, b, bh, reset_after)
        h = carry(keep[t], next_h, h)
        hs.append(h)
        steps.append(step)
    out = xp.stack(hs, axis=1)
    return out, GruCache(steps, keep, out.shape)


@accelerated
def gru_backward(dh: Array, cache: GruCache) -> tuple[Array, ...]:
    """Gradients of gru_forward.  dh: (N, T, H).  Returns dx, dh0, dWx, dWh, db, dbh.

    Backward through time: a state receives its own gradient and that of the next step.  Every step used
    the same weights, so their gradients are sums over the steps.
    """
    steps, keep, shape = cache
    xp = check_dout(gru_backward, shape, dh=dh)

    dx, dprev_h = [], xp.zeros_like(dh[:, 0])
    dweights: list[Any] = [0, 0, 0, 0]  # dWx, dWh, db, dbh
    for t in reversed(range(len(steps))):
        dnext_h, dcarried = carry_gradients(keep[t], dh[:, t] + dprev_h)
        dx_t, dprev_h, *of_step = gru_step_backward(dnext_h, steps[t])
        dprev_h = dprev_h + dcarried
        dx.append(dx_t)
        dweights = [total + new for total, new in zip(dweights, of_step, strict=True)]
    return xp.stack(dx[::-1], axis=1), dprev_h, *dweights
