"""LSTM, GRU and vanilla RNN over sequences: a step is one matrix product and one kernel.

Every array over time is (N, T, ...) and contiguous, so no product outside the loop needs a copy.
"""

from typing import NamedTuple

from minicap.backend.arrays import Array, backend_of
from minicap.backend.checks import check_dout
from minicap.backend.dispatch import Override
from minicap.backend.gpu.launcher import Kernel, readable

_lstm_step = Kernel("recurrent.cu", "lstm_step")
_lstm_step_gradient = Kernel("recurrent.cu", "lstm_step_gradient")
_gru_step = Kernel("recurrent.cu", "gru_step")
_gru_step_gradient = Kernel("recurrent.cu", "gru_step_gradient")
_rnn_step = Kernel("recurrent.cu", "rnn_step")
_rnn_step_gradient = Kernel("recurrent.cu", "rnn_step_gradient")


class LstmKernelCache(NamedTuple):
    x: Array  # (N, T, D)
    Wx: Array  # (D, 4H)
    Wh: Array  # (H, 4H)
    gates: Array  # (N, T, 4H): i, f, o, g
    prev_h: Array  # (N, T, H): the states that the steps began with
    prev_c: Array  # (N, T, H)
    c0_given: bool


def lstm_forward(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, c0: Array | None = None, mask: None = None
) -> tuple[Array, LstmKernelCache]:
    """lstm_forward of minicap.layers.lstm, without a mask."""
    out, _, cache = _lstm(x, h0, Wx, Wh, b, c0)
    return out, cache


def _lstm(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, c0: Array | None
) -> tuple[Array, Array, LstmKernelCache]:
    """States of all steps (N, T, H), the last cell (N, H), and the cache."""
    xp = backend_of(x=x).xp
    x, sizes = xp.ascontiguousarray(x), _sizes(x, Wh)
    gates = _product(x, Wx)
    h = h0.copy()
    c = xp.zeros_like(h) if c0 is None else c0.copy()
    prev_h, prev_c, out = (_over_time(x, Wh) for _ in range(3))
    arrays = dict(b=b, gates=gates, h=h, c=c, prev_h=prev_h, prev_c=prev_c, out=out)
    for t in range(sizes["T"]):
        _lstm_step.threads(h.size, product=h @ Wh, **arrays, t=t, **sizes)
    return out, c, LstmKernelCache(x, Wx, Wh, gates, prev_h, prev_c, c0 is not None)


def lstm_backward(dh: Array, cache: LstmKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dh0, dWx, dWh, db, and dc0 when c0 was given."""
    check_dout(lstm_backward, cache.prev_h.shape, dh=dh)
    *gradients, dc0 = _lstm_gradients(dh, None, cache)
    return (*gradients, dc0) if cache.c0_given else tuple(gradients)


def _lstm_gradients(dh: Array, dlast_c: Array | None, cache: LstmKernelCache) -> tuple[Array, ...]:
    """All gradients, that of c0 last.  dlast_c: (N, H), of the last cell."""
    x, Wx, Wh, gates, prev_h, prev_c, _ = cache
    xp = backend_of(dh=dh).xp
    sizes, dh = _sizes(x, Wh), xp.ascontiguousarray(dh)
    dprev_h = xp.zeros((len(x), len(Wh)), dtype=x.dtype)
    dc = xp.zeros_like(dprev_h) if dlast_c is None else dlast_c.copy()
    da, step_da = xp.empty_like(gates), xp.empty((len(x), gates.shape[2]), dtype=x.dtype)
    arrays = dict(gates=gates, prev_c=prev_c, dout=dh, dc=dc, step_da=step_da, da=da)
    for t in reversed(range(sizes["T"])):
        _lstm_step_gradient.threads(dc.size, dh=dprev_h, **arrays, t=t, **sizes)
        dprev_h = step_da @ Wh.T
    dx, dWx, db = _input_gradients(da, x, Wx)
    return dx, dprev_h, dWx, _flat(prev_h).T @ _flat(da), db, dc


class LstmStepKernelCache(NamedTuple):
    sequence: LstmKernelCache  # of one step


def lstm_step_forward(
    x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Array, LstmStepKernelCache]:
    """lstm_step_forward of minicap.layers.lstm: a sequence of one step."""
    out, next_c, cache = _lstm(x[:, None], prev_h, Wx, Wh, b, prev_c)
    return out[:, 0], next_c, LstmStepKernelCache(cache)


def lstm_step_backward(dnext_h: Array, dnext_c: Array, cache: LstmStepKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dprev_h, dprev_c, dWx, dWh, db."""
    N, _, H = cache.sequence.prev_h.shape
    check_dout(lstm_step_backward, (N, H), dnext_h=dnext_h)
    check_dout(lstm_step_backward, (N, H), dnext_c=dnext_c)
    dx, dprev_h, dWx, dWh, db, dprev_c = _lstm_gradients(dnext_h[:, None], dnext_c, cache.sequence)
    return dx[:, 0], dprev_h, dprev_c, dWx, dWh, db


class GruKernelCache(NamedTuple):
    x: Array  # (N, T, D)
    Wx: Array  # (D, 3H)
    Wh: Array  # (H, 3H)
    gates: Array  # (N, T, 3H): r, z, n
    hn: Array  # (N, T, H): prev_h Wh_n + bh_n
    prev_h: Array  # (N, T, H)


def gru_forward(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    bh: Array,
    reset_after: bool = True,
    mask: None = None,
) -> tuple[Array, GruKernelCache]:
    """gru_forward of minicap.layers.gru with the reset after the product, without a mask."""
    x, sizes = backend_of(x=x).xp.ascontiguousarray(x), _sizes(x, Wh)
    gates, h = _product(x, Wx), h0.copy()
    hn, prev_h, out = (_over_time(x, Wh) for _ in range(3))
    arrays = dict(b=b, bh=bh, gates=gates, hn=hn, h=h, prev_h=prev_h, out=out)
    for t in range(sizes["T"]):
        _gru_step.threads(h.size, product=h @ Wh, **arrays, t=t, **sizes)
    return out, GruKernelCache(x, Wx, Wh, gates, hn, prev_h)


def gru_backward(dh: Array, cache: GruKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dh0, dWx, dWh, db, dbh."""
    x, Wx, Wh, gates, hn, prev_h = cache
    xp = check_dout(gru_backward, prev_h.shape, dh=dh)
    sizes, dh = _sizes(x, Wh), xp.ascontiguousarray(dh)
    dprev_h = xp.zeros((len(x), len(Wh)), dtype=x.dtype)
    carried = xp.zeros_like(dprev_h)
    da, du, step_du = (
        xp.empty(shape, dtype=x.dtype) for shape in (gates.shape, gates.shape, (len(x), gates.shape[2]))
    )
    arrays = dict(gates=gates, hn=hn, prev_h=prev_h, dout=dh, carried=carried, step_du=step_du, du=du, da=da)
    for t in reversed(range(sizes["T"])):
        _gru_step_gradient.threads(carried.size, dh=dprev_h, **arrays, t=t, **sizes)
        dprev_h = step_du @ Wh.T
    dx, dWx, db = _input_gradients(da, x, Wx)
    return dx, dprev_h + carried, dWx, _flat(prev_h).T @ _flat(du), db, _flat(du).sum(axis=0)


class GruStepKernelCache(NamedTuple):
    sequence: GruKernelCache  # of one step


def gru_step_forward(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, bh: Array, reset_after: bool = True
) -> tuple[Array, GruStepKernelCache]:
    """gru_step_forward of minicap.layers.gru with the reset after the product: a sequence of one step."""
    out, cache = gru_forward(x[:, None], prev_h, Wx, Wh, b, bh)
    return out[:, 0], GruStepKernelCache(cache)


def gru_step_backward(dnext_h: Array, cache: GruStepKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dprev_h, dWx, dWh, db, dbh."""
    N, _, H = cache.sequence.prev_h.shape
    check_dout(gru_step_backward, (N, H), dnext_h=dnext_h)
    dx, *gradients = gru_backward(dnext_h[:, None], cache.sequence)
    return dx[:, 0], *gradients


class RnnKernelCache(NamedTuple):
    x: Array  # (N, T, D)
    Wx: Array  # (D, H)
    Wh: Array  # (H, H)
    h: Array  # (N, T, H)
    prev_h: Array  # (N, T, H)
    relu: bool


def rnn_forward(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, activation: str = "tanh", mask: None = None
) -> tuple[Array, RnnKernelCache]:
    """rnn_forward of minicap.layers.rnn, without a mask."""
    x, sizes = backend_of(x=x).xp.ascontiguousarray(x), _sizes(x, Wh)
    out, h, prev_h = _product(x, Wx), h0.copy(), _over_time(x, Wh)
    relu = activation == "relu"
    for t in range(sizes["T"]):
        arrays = dict(product=h @ Wh, b=b, h=h, prev_h=prev_h, out=out)
        _rnn_step.threads(h.size, **arrays, relu=int(relu), t=t, **sizes)
    return out, RnnKernelCache(x, Wx, Wh, out, prev_h, relu)


def rnn_backward(dh: Array, cache: RnnKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dh0, dWx, dWh, db."""
    x, Wx, Wh, h, prev_h, relu = cache
    xp = check_dout(rnn_backward, h.shape, dh=dh)
    sizes, dh = _sizes(x, Wh), xp.ascontiguousarray(dh)
    dprev_h = xp.zeros((len(x), len(Wh)), dtype=x.dtype)
    da, step_da = xp.empty_like(h), xp.empty_like(dprev_h)
    for t in reversed(range(sizes["T"])):
        arrays = dict(h=h, dout=dh, dh=dprev_h, step_da=step_da, da=da)
        _rnn_step_gradient.threads(step_da.size, **arrays, relu=int(relu), t=t, **sizes)
        dprev_h = step_da @ Wh.T
    dx, dWx, db = _input_gradients(da, x, Wx)
    return dx, dprev_h, dWx, _flat(prev_h).T @ _flat(da), db


class RnnStepKernelCache(NamedTuple):
    sequence: RnnKernelCache  # of one step


def rnn_step_forward(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, activation: str = "tanh"
) -> tuple[Array, RnnStepKernelCache]:
    """rnn_step_forward of minicap.layers.rnn: a sequence of one step."""
    out, cache = rnn_forward(x[:, None], prev_h, Wx, Wh, b, activation)
    return out[:, 0], RnnStepKernelCache(cache)


def rnn_step_backward(dnext_h: Array, cache: RnnStepKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dprev_h, dWx, dWh, db."""
    N, _, H = cache.sequence.prev_h.shape
    check_dout(rnn_step_backward, (N, H), dnext_h=dnext_h)
    dx, *gradients = rnn_backward(dnext_h[:, None], cache.sequence)
    return dx[:, 0], *gradients


def _sizes(x: Array, Wh: Array) -> dict[str, int]:
    return dict(N=x.shape[0], T=x.shape[1], H=len(Wh))


def _over_time(x: Array, Wh: Array) -> Array:
    """New memory for a state (N, H) at each of the T steps."""
    return backend_of(x=x).xp.empty((*x.shape[:2], len(Wh)), dtype=x.dtype)


def _flat(x: Array) -> Array:
    return x.reshape(-1, x.shape[2])


def _product(x: Array, Wx: Array) -> Array:
    """x[n, t] Wx for all steps in one product: (N, T, G)."""
    return (_flat(x) @ Wx).reshape(*x.shape[:2], -1)


def _input_gradients(da: Array, x: Array, Wx: Array) -> tuple[Array, Array, Array]:
    """dx (N, T, D), dWx and db from da (N, T, G)."""
    return (_flat(da) @ Wx.T).reshape(x.shape), _flat(x).T @ _flat(da), _flat(da).sum(axis=0)


def _fits(
    gates: int, x: Array, h0: Array, Wx: Array, Wh: Array, biases: tuple[Array, ...], c0: Array | None = None
) -> bool:
    """Whether the sizes of a recurrent layer fit each other and the kernels."""
    if not readable(x, h0, Wx, Wh, *biases, c0) or x.ndim != 3 or Wh.ndim != 2:
        return False
    (N, T, D), H = x.shape, len(Wh)
    states_fit = all(state is None or state.shape == (N, H) for state in (h0, c0))
    weights_fit = Wx.shape == (D, gates * H) and Wh.shape == (H, gates * H)
    small_enough = N * T * gates * H < 2**31
    contiguous = all(array.flags.c_contiguous for array in biases)
    return (
        states_fit
        and weights_fit
        and all(b.shape == (gates * H,) for b in biases)
        and small_enough
        and contiguous
    )


def _supports_lstm(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, c0: Array | None = None, mask: Array | None = None
) -> bool:
    return mask is None and _fits(4, x, h0, Wx, Wh, (b,), c0)


def _supports_gru(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    bh: Array,
    reset_after: bool = True,
    mask: Array | None = None,
) -> bool:
    return mask is None and reset_after and _fits(3, x, h0, Wx, Wh, (b, bh))


def _supports_rnn(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, activation: str = "tanh", mask: Array | None = None
) -> bool:
    return mask is None and activation in ("tanh", "relu") and _fits(1, x, h0, Wx, Wh, (b,))


def _supports_lstm_step(x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array) -> bool:
    return x.ndim == 2 and _fits(4, x[:, None], prev_h, Wx, Wh, (b,), prev_c)


def _supports_gru_step(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, bh: Array, reset_after: bool = True
) -> bool:
    return reset_after and x.ndim == 2 and _fits(3, x[:, None], prev_h, Wx, Wh, (b, bh))


def _supports_rnn_step(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, activation: str = "tanh"
) -> bool:
    return activation in ("tanh", "relu") and x.ndim == 2 and _fits(1, x[:, None], prev_h, Wx, Wh, (b,))


OVERRIDES = (
    Override("lstm_step", lstm_step_forward, _supports_lstm_step, LstmStepKernelCache, lstm_step_backward),
    Override("gru_step", gru_step_forward, _supports_gru_step, GruStepKernelCache, gru_step_backward),
    Override("rnn_step", rnn_step_forward, _supports_rnn_step, RnnStepKernelCache, rnn_step_backward),
    Override("lstm", lstm_forward, _supports_lstm, LstmKernelCache, lstm_backward),
    Override("gru", gru_forward, _supports_gru, GruKernelCache, gru_backward),
    Override("rnn", rnn_forward, _supports_rnn, RnnKernelCache, rnn_backward),
)
