"""What the LSTM, the GRU and the RNN share: their sizes and the products outside the loop over steps.

A layer is one kernel for all steps (sequences.py), or a product and a kernel for each.  Every array over time
is (N, T, ...) and contiguous, so no product outside the loop needs a copy.
"""

from minicap.arrays.backends import Array, backend_of
from minicap.backend.gpu.launcher import MOST_ENTRIES, readable


def sizes_of(x: Array, Wh: Array) -> dict[str, int]:
    """N, T and H for the kernels."""
    return dict(N=x.shape[0], T=x.shape[1], H=len(Wh))


def over_time(x: Array, Wh: Array) -> Array:
    """New memory for a state (N, H) at each of the T steps."""
    return backend_of(x=x).xp.empty((*x.shape[:2], len(Wh)), dtype=x.dtype)


def flat(x: Array) -> Array:
    """(N T, D), one row per sample and step."""
    return x.reshape(-1, x.shape[2])


def product(x: Array, Wx: Array) -> Array:
    """x[n, t] Wx for all steps in one product: (N, T, G)."""
    return (flat(x) @ Wx).reshape(*x.shape[:2], -1)


def input_gradients(da: Array, x: Array, Wx: Array) -> tuple[Array, Array, Array]:
    """dx (N, T, D), dWx and db from da (N, T, G)."""
    return (flat(da) @ Wx.T).reshape(x.shape), flat(x).T @ flat(da), flat(da).sum(axis=0)


def fits(
    gates: int, x: Array, h0: Array, Wx: Array, Wh: Array, biases: tuple[Array, ...], c0: Array | None = None
) -> bool:
    """Whether the sizes of a recurrent layer fit each other and the kernels."""
    if not readable(x, h0, Wx, Wh, *biases, c0) or x.ndim != 3 or Wh.ndim != 2:
        return False
    (N, T, D), H = x.shape, len(Wh)
    states_fit = all(state is None or state.shape == (N, H) for state in (h0, c0))
    weights_fit = Wx.shape == (D, gates * H) and Wh.shape == (H, gates * H)
    biases_fit = all(b.shape == (gates * H,) and b.flags.c_contiguous for b in biases)
    return states_fit and weights_fit and biases_fit and N * T * gates * H <= MOST_ENTRIES
