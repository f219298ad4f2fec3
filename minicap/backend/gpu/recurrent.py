"""LSTM, GRU and vanilla RNN over sequences: one kernel for all steps, or a product and a kernel a step.

Every array over time is (N, T, ...) and contiguous, so no product outside the loop needs a copy.
"""

from typing import NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.launcher import MOST_ENTRIES, Kernel, readable
from minicap.backend.gpu.masks import as_mask, mask_fits
from minicap.backend.gpu.sequences import launch, new_barriers, plan

_lstm_step = Kernel("recurrent.cu", "lstm_step")
_lstm_step_gradient = Kernel("recurrent.cu", "lstm_step_gradient")
_gru_step = Kernel("recurrent.cu", "gru_step")
_gru_step_gradient = Kernel("recurrent.cu", "gru_step_gradient")
_rnn_step = Kernel("recurrent.cu", "rnn_step")
_rnn_step_gradient = Kernel("recurrent.cu", "rnn_step_gradient")
_lstm_sequence = Kernel("sequences.cu", "lstm_sequence")
_lstm_sequence_gradient = Kernel("sequences.cu", "lstm_sequence_gradient")
_gru_sequence = Kernel("sequences.cu", "gru_sequence")
_gru_sequence_gradient = Kernel("sequences.cu", "gru_sequence_gradient")
_rnn_sequence = Kernel("sequences.cu", "rnn_sequence")
_rnn_sequence_gradient = Kernel("sequences.cu", "rnn_sequence_gradient")


class LstmKernelCache(NamedTuple):
    x: Array  # (N, T, D)
    Wx: Array  # (D, 4H)
    Wh: Array  # (H, 4H)
    gates: Array  # (N, T, 4H): i, f, o, g
    prev_h: Array  # (N, T, H): the states that the steps began with
    prev_c: Array  # (N, T, H)
    mask: Array | None  # (N, T) like x
    barriers: Array | None  # where all steps were one launch


def lstm_forward(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, c0: Array | None = None, mask: Array | None = None
) -> tuple[Array, LstmKernelCache]:
    """lstm_forward of minicap.layers.lstm."""
    xp, sizes = backend_of(x=x).xp, _sizes(x, Wh)
    at_once = plan(_lstm_sequence, x, sizes, gates=4, states=1)
    if at_once is None:
        out, _, cache = _lstm_by_steps(x, h0, Wx, Wh, b, c0, mask)
        return out, cache
    mask = as_mask(mask, x)
    x, gates, barriers = xp.ascontiguousarray(x), _product(x, Wx), new_barriers(x)
    prev_h, prev_c, out = (_over_time(x, Wh) for _ in range(3))
    states = dict(h0=xp.ascontiguousarray(h0), c0=None if c0 is None else xp.ascontiguousarray(c0))
    arrays = dict(Wh=xp.ascontiguousarray(Wh), b=b, mask=mask, gates=gates)
    arrays |= dict(prev_h=prev_h, prev_c=prev_c, out=out, barriers=barriers)
    launch(_lstm_sequence, at_once, **states, **arrays, **sizes)
    return out, LstmKernelCache(x, Wx, Wh, gates, prev_h, prev_c, mask, barriers)


def _lstm_by_steps(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, c0: Array | None, mask: Array | None
) -> tuple[Array, Array, LstmKernelCache]:
    """States of all steps (N, T, H), the last cell (N, H), and the cache."""
    xp, mask = backend_of(x=x).xp, as_mask(mask, x)
    x, sizes = xp.ascontiguousarray(x), _sizes(x, Wh)
    gates = _product(x, Wx)
    h = h0.copy()
    c = xp.zeros_like(h) if c0 is None else c0.copy()
    prev_h, prev_c, out = (_over_time(x, Wh) for _ in range(3))
    arrays = dict(b=b, mask=mask, gates=gates, h=h, c=c, prev_h=prev_h, prev_c=prev_c, out=out)
    for t in range(sizes["T"]):
        _lstm_step.threads(h.size, product=h @ Wh, **arrays, t=t, **sizes)
    return out, c, LstmKernelCache(x, Wx, Wh, gates, prev_h, prev_c, mask, None)


def lstm_backward(dh: Array, cache: LstmKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dh0, dWx, dWh, db, dc0."""
    check_dout(lstm_backward, cache.prev_h.shape, dh=dh)
    return _lstm_gradients(dh, None, cache)


def _lstm_gradients(dh: Array, dlast_c: Array | None, cache: LstmKernelCache) -> tuple[Array, ...]:
    """All gradients, that of c0 last.  dlast_c: (N, H), of the last cell."""
    x, Wx, Wh, gates, prev_h, prev_c, mask, barriers = cache
    xp = backend_of(dh=dh).xp
    sizes, da = _sizes(x, Wh), xp.empty_like(gates)
    arrays = dict(mask=mask, gates=gates, prev_c=prev_c, dout=xp.ascontiguousarray(dh), da=da)
    at_once = barriers is not None and plan(_lstm_sequence_gradient, x, sizes, gates=4, states=4)
    if at_once:
        dprev_h, dc = (xp.empty((len(x), len(Wh)), dtype=x.dtype) for _ in range(2))
        given = dict(Wh=xp.ascontiguousarray(Wh), **arrays)
        launch(_lstm_sequence_gradient, at_once, **given, dh0=dprev_h, dc0=dc, barriers=barriers, **sizes)
    else:
        dprev_h = xp.zeros((len(x), len(Wh)), dtype=x.dtype)
        dc = xp.zeros_like(dprev_h) if dlast_c is None else dlast_c.copy()
        step_da = xp.empty((len(x), gates.shape[2]), dtype=x.dtype)
        carried = None if mask is None else xp.zeros_like(dprev_h)
        arrays |= dict(carried=carried, dc=dc, step_da=step_da)
        for t in reversed(range(sizes["T"])):
            _lstm_step_gradient.threads(dc.size, dh=dprev_h, **arrays, t=t, **sizes)
            dprev_h = step_da @ Wh.T
        dprev_h = dprev_h if carried is None else dprev_h + carried
    dx, dWx, db = _input_gradients(da, x, Wx)
    return dx, dprev_h, dWx, _flat(prev_h).T @ _flat(da), db, dc


class LstmStepKernelCache(NamedTuple):
    sequence: LstmKernelCache  # of one step


def lstm_step_forward(
    x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Array, LstmStepKernelCache]:
    """lstm_step_forward of minicap.layers.lstm: a sequence of one step."""
    out, next_c, cache = _lstm_by_steps(x[:, None], prev_h, Wx, Wh, b, prev_c, None)
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
    mask: Array | None  # (N, T) like x
    barriers: Array | None  # where all steps were one launch


def gru_forward(
    x: Array,
    h0: Array,
    Wx: Array,
    Wh: Array,
    b: Array,
    bh: Array,
    reset_after: bool = True,
    mask: Array | None = None,
) -> tuple[Array, GruKernelCache]:
    """gru_forward of minicap.layers.gru with the reset after the product."""
    xp, sizes, mask = backend_of(x=x).xp, _sizes(x, Wh), as_mask(mask, x)
    x, gates = xp.ascontiguousarray(x), _product(x, Wx)
    hn, prev_h, out = (_over_time(x, Wh) for _ in range(3))
    arrays = dict(b=b, bh=bh, mask=mask, gates=gates, hn=hn, prev_h=prev_h, out=out)
    at_once = plan(_gru_sequence, x, sizes, gates=3, states=1)
    barriers = new_barriers(x) if at_once else None
    if at_once:
        given = dict(Wh=xp.ascontiguousarray(Wh), h0=xp.ascontiguousarray(h0), **arrays)
        launch(_gru_sequence, at_once, **given, barriers=barriers, **sizes)
    else:
        h = h0.copy()
        for t in range(sizes["T"]):
            _gru_step.threads(h.size, product=h @ Wh, **arrays, h=h, t=t, **sizes)
    return out, GruKernelCache(x, Wx, Wh, gates, hn, prev_h, mask, barriers)


def gru_backward(dh: Array, cache: GruKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dh0, dWx, dWh, db, dbh."""
    x, Wx, Wh, gates, hn, prev_h, mask, barriers = cache
    xp = check_dout(gru_backward, prev_h.shape, dh=dh)
    sizes, da, du = _sizes(x, Wh), xp.empty_like(gates), xp.empty_like(gates)
    arrays = dict(mask=mask, gates=gates, hn=hn, prev_h=prev_h, dout=xp.ascontiguousarray(dh), du=du, da=da)
    at_once = barriers is not None and plan(_gru_sequence_gradient, x, sizes, gates=3, states=3)
    if at_once:
        dh0 = xp.empty((len(x), len(Wh)), dtype=x.dtype)
        given = dict(Wh=xp.ascontiguousarray(Wh), **arrays)
        launch(_gru_sequence_gradient, at_once, **given, dh0=dh0, barriers=barriers, **sizes)
    else:
        dprev_h = xp.zeros((len(x), len(Wh)), dtype=x.dtype)
        carried = xp.zeros_like(dprev_h)
        step_du = xp.empty((len(x), gates.shape[2]), dtype=x.dtype)
        for t in reversed(range(sizes["T"])):
            states = dict(dh=dprev_h, carried=carried, step_du=step_du)
            _gru_step_gradient.threads(carried.size, **states, **arrays, t=t, **sizes)
            dprev_h = step_du @ Wh.T
        dh0 = dprev_h + carried
    dx, dWx, db = _input_gradients(da, x, Wx)
    return dx, dh0, dWx, _flat(prev_h).T @ _flat(du), db, _flat(du).sum(axis=0)


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
    mask: Array | None  # (N, T) like x
    barriers: Array | None  # where all steps were one launch


def rnn_forward(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, activation: str = "tanh", mask: Array | None = None
) -> tuple[Array, RnnKernelCache]:
    """rnn_forward of minicap.layers.rnn."""
    xp, sizes, relu = backend_of(x=x).xp, _sizes(x, Wh), activation == "relu"
    mask = as_mask(mask, x)
    x, out, prev_h = xp.ascontiguousarray(x), _product(x, Wx), _over_time(x, Wh)
    arrays = dict(b=b, mask=mask, prev_h=prev_h, out=out)
    at_once = plan(_rnn_sequence, x, sizes, gates=1, states=1)
    barriers = new_barriers(x) if at_once else None
    if at_once:
        given = dict(Wh=xp.ascontiguousarray(Wh), h0=xp.ascontiguousarray(h0), **arrays)
        launch(_rnn_sequence, at_once, **given, barriers=barriers, relu=int(relu), **sizes)
    else:
        h = h0.copy()
        for t in range(sizes["T"]):
            _rnn_step.threads(h.size, product=h @ Wh, **arrays, h=h, relu=int(relu), t=t, **sizes)
    return out, RnnKernelCache(x, Wx, Wh, out, prev_h, relu, mask, barriers)


def rnn_backward(dh: Array, cache: RnnKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dh0, dWx, dWh, db."""
    x, Wx, Wh, h, prev_h, relu, mask, barriers = cache
    xp = check_dout(rnn_backward, h.shape, dh=dh)
    sizes, da = _sizes(x, Wh), xp.empty_like(h)
    arrays = dict(mask=mask, h=h, dout=xp.ascontiguousarray(dh), da=da)
    at_once = barriers is not None and plan(_rnn_sequence_gradient, x, sizes, gates=1, states=1)
    if at_once:
        dprev_h = xp.empty((len(x), len(Wh)), dtype=x.dtype)
        given = dict(Wh=xp.ascontiguousarray(Wh), **arrays, dh0=dprev_h, barriers=barriers)
        launch(_rnn_sequence_gradient, at_once, **given, relu=int(relu), **sizes)
    else:
        dprev_h = xp.zeros((len(x), len(Wh)), dtype=x.dtype)
        step_da = xp.empty_like(dprev_h)
        carried = None if mask is None else xp.zeros_like(dprev_h)
        for t in reversed(range(sizes["T"])):
            states = dict(dh=dprev_h, carried=carried, step_da=step_da)
            _rnn_step_gradient.threads(step_da.size, **states, **arrays, relu=int(relu), t=t, **sizes)
            dprev_h = step_da @ Wh.T
        dprev_h = dprev_h if carried is None else dprev_h + carried
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
    biases_fit = all(b.shape == (gates * H,) and b.flags.c_contiguous for b in biases)
    return states_fit and weights_fit and biases_fit and N * T * gates * H <= MOST_ENTRIES


def _supports_lstm(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, c0: Array | None = None, mask: Array | None = None
) -> bool:
    return _fits(4, x, h0, Wx, Wh, (b,), c0) and mask_fits(mask, x, x.shape[:2])


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
    return reset_after and _fits(3, x, h0, Wx, Wh, (b, bh)) and mask_fits(mask, x, x.shape[:2])


def _supports_rnn(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, activation: str = "tanh", mask: Array | None = None
) -> bool:
    known = activation in ("tanh", "relu")
    return known and _fits(1, x, h0, Wx, Wh, (b,)) and mask_fits(mask, x, x.shape[:2])


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
