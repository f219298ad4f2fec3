"""What the fast recurrent layers share.

Gates come first and time second in memory, so that each step works on whole blocks (N, H): passes over rows
that lie 4H apart take twice as long.  An input that is always 1 carries the bias: as the last row of Wx the
bias becomes part of the product, and its gradient is the last row of the weights' gradient.

Where a mask leaves a sequence out, its products are computed with the others all the same, and its rows are
then overwritten with values that carry the state on.
"""

from typing import Any

import numpy as np

from minicap.arrays.backends import Array
from minicap.backend.cpu.order import is_float

CHUNK_BYTES = 1 << 16  # of the states of some steps; the results, ten times as large, must stay in cache


def fits(
    gates: int, x: Any, h0: Any, Wx: Any, Wh: Any, *biases: Any, c0: Any = None, mask: Any = None
) -> bool:
    """Whether these are float arrays of one dtype whose sizes fit, and the mask is of zeros and ones.

    The textbook reports anything else.  It also handles masks with fractions, and numbers that are not
    finite: with a mask these become NaN there (0 * inf), which must not go unseen.
    """
    arrays = [a for a in (x, h0, Wx, Wh, *biases, c0) if a is not None]
    if not all(is_float(a) and a.dtype == x.dtype for a in arrays) or x.ndim != 3:
        return False
    (N, T, D), H = x.shape, h0.shape[-1]
    return (
        h0.shape == (N, H)
        and Wx.shape == (D, gates * H)
        and Wh.shape == (H, gates * H)
        and all(b.shape == (gates * H,) for b in biases)
        and (c0 is None or c0.shape == (N, H))
        and (mask is None or (_is_binary(mask, (N, T)) and all(np.isfinite(a).all() for a in arrays)))
    )


def _is_binary(mask: Any, shape: tuple[int, ...]) -> bool:
    if not isinstance(mask, np.ndarray) or mask.shape != shape:
        return False
    return mask.dtype == bool or (is_float(mask) and bool(((mask == 0) | (mask == 1)).all()))


def left_out(mask: Any, steps: int) -> list[Any]:
    """For each step, which sequences the mask (N, T) leaves out; None where there are none."""
    if mask is None:
        return [None] * steps
    return [np.flatnonzero(out) if out.any() else None for out in mask.T == 0]


def gates_first(a: Array, gates: int) -> Array:
    """(..., gates * H) as (gates, ..., H), a view."""
    return np.moveaxis(a.reshape(*a.shape[:-1], gates, -1), -2, 0)


def rows(a: Array) -> Array:
    """(T, N, G) as (T * N, G), a view."""
    return a.reshape(-1, a.shape[2])


def with_ones(x: Array) -> Array:
    """x (N, T, D) as (T, N, D + 1), with the input that is always 1."""
    N, T, D = x.shape
    out = np.empty((T, N, D + 1), x.dtype)
    out[..., :D] = x.swapaxes(0, 1)
    out[..., D] = 1
    return out


def input_product(x: Array, Wx: Array, b: Array, scale: Array, out: Array) -> None:
    """out = scale (x Wx + b).  x: (T, N, D + 1) with ones.  Wx: (G, D, H).  b: (G, H).  scale: (G,).

    out: (G, T, N, H).
    """
    G, D, H = Wx.shape
    W = np.empty((G, D + 1, H), x.dtype)
    np.multiply(Wx, scale[:, None, None], out=W[:, :D])
    np.multiply(b, scale[:, None], out=W[:, D])
    np.matmul(rows(x), W, out=out.reshape(G, -1, H))


def input_gradient(da: Array, Wx: Array) -> Array:
    """dx (N, T, D) from da (T, N, G)."""
    T, N, _ = da.shape
    return (rows(da) @ Wx.T).reshape(T, N, len(Wx)).swapaxes(0, 1)


def state_weights_gradient(h: Array, da: Array) -> Array:
    """dWh (H, G) from the states h (T + 1, N, H) and da (T, N, G).  A state of zeros adds nothing."""
    first = 0 if h[0].any() else 1
    return rows(h[first:-1]).T @ rows(da[first:])


def split_bias(dW: Array) -> tuple[Array, Array]:
    """dWx and db from the gradient of Wx with b as its last row."""
    return dW[:-1], dW[-1]


def states_gradient(dh: Array, h: Array) -> Array:
    """dh (N, T, H) as the gradient of the states h (T + 1, N, H), before later steps add theirs."""
    out = np.empty_like(h)
    out[0] = 0
    out[1:] = dh.swapaxes(0, 1)
    return out


def chunks_backwards(h: Array) -> list[slice]:
    """The steps of h (T + 1, N, H) in chunks that stay in cache, the last first."""
    steps = max(1, CHUNK_BYTES // h[0].nbytes)
    return [slice(max(0, end - steps), end) for end in range(len(h) - 1, 0, -steps)]
