"""The LSTM over sequences and by single steps."""

from typing import NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.launcher import Kernel
from minicap.backend.gpu.masks import as_mask, mask_fits
from minicap.backend.gpu.recurrent import fits, flat, input_gradients, over_time, product, sizes_of
from minicap.backend.gpu.sequences import launch, new_barriers, plan

_step = Kernel("recurrent.cu", "lstm_step")
_step_gradient = Kernel("recurrent.cu", "lstm_step_gradient")
_sequence = Kernel("sequences.cu", "lstm_sequence")
_sequence_gradient = Kernel("sequences.cu", "lstm_sequence_gradient")


class LstmKernelCache(NamedTuple):
    x: Array  # (N, T, D)
    Wx: Array  # (D, 4H)
    Wh: Array  # (H, 4H)
    gates: Array  # (N, T, 4H): i, f, o, g
    prev_h: Array  # (N, T, H): the states that the steps began with
    prev_c: Array  # (N, T, H)
    mask: Array | None  # (N, T) like x
    barriers: Array | None  # where all steps were one launch

    @property
    def last_c(self) -> Array:
        """The cell (N, H) after the last step."""
        prev_c = self.prev_c[:, -1]
        i, f, _, g = self.gates[:, -1].reshape(len(prev_c), 4, -1).swapaxes(0, 1)
        last = f * prev_c + i * g
        return (
            last if self.mask is None else backend_of(c=last).xp.where(self.mask[:, -1:] != 0, last, prev_c)
        )


def lstm_forward(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, c0: Array | None = None, mask: Array | None = None
) -> tuple[Array, LstmKernelCache]:
    """lstm_forward of minicap.layers.lstm."""
    xp, sizes = backend_of(x=x).xp, sizes_of(x, Wh)
    at_once = plan(_sequence, x, sizes, gates=4, states=1)
    if at_once is None:
        out, _, cache = _lstm_by_steps(x, h0, Wx, Wh, b, c0, mask)
        return out, cache
    mask = as_mask(mask, x)
    x, gates, barriers = xp.ascontiguousarray(x), product(x, Wx), new_barriers(x)
    prev_h, prev_c, out = (over_time(x, Wh) for _ in range(3))
    states = dict(h0=xp.ascontiguousarray(h0), c0=None if c0 is None else xp.ascontiguousarray(c0))
    arrays = dict(Wh=xp.ascontiguousarray(Wh), b=b, mask=mask, gates=gates)
    arrays |= dict(prev_h=prev_h, prev_c=prev_c, out=out, barriers=barriers)
    launch(_sequence, at_once, **states, **arrays, **sizes)
    return out, LstmKernelCache(x, Wx, Wh, gates, prev_h, prev_c, mask, barriers)


def _lstm_by_steps(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, c0: Array | None, mask: Array | None
) -> tuple[Array, Array, LstmKernelCache]:
    """States of all steps (N, T, H), the last cell (N, H), and the cache."""
    xp, mask = backend_of(x=x).xp, as_mask(mask, x)
    x, sizes = xp.ascontiguousarray(x), sizes_of(x, Wh)
    gates = product(x, Wx)
    h = h0.copy()
    c = xp.zeros_like(h) if c0 is None else c0.copy()
    prev_h, prev_c, out = (over_time(x, Wh) for _ in range(3))
    arrays = dict(b=b, mask=mask, gates=gates, h=h, c=c, prev_h=prev_h, prev_c=prev_c, out=out)
    for t in range(sizes["T"]):
        _step.threads(h.size, product=h @ Wh, **arrays, t=t, **sizes)
    return out, c, LstmKernelCache(x, Wx, Wh, gates, prev_h, prev_c, mask, None)


def lstm_backward(dh: Array, cache: LstmKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dh0, dWx, dWh, db, dc0."""
    check_dout(lstm_backward, cache.prev_h.shape, dh=dh)
    return _lstm_gradients(dh, None, cache)


def _lstm_gradients(dh: Array, dlast_c: Array | None, cache: LstmKernelCache) -> tuple[Array, ...]:
    """All gradients, that of c0 last.  dlast_c: (N, H), of the last cell."""
    x, Wx, Wh, gates, prev_h, prev_c, mask, barriers = cache
    xp = backend_of(dh=dh).xp
    sizes, da = sizes_of(x, Wh), xp.empty_like(gates)
    arrays = dict(mask=mask, gates=gates, prev_c=prev_c, dout=xp.ascontiguousarray(dh), da=da)
    at_once = barriers is not None and plan(_sequence_gradient, x, sizes, gates=4, states=4)
    if at_once:
        dprev_h, dc = (xp.empty((len(x), len(Wh)), dtype=x.dtype) for _ in range(2))
        given = dict(Wh=xp.ascontiguousarray(Wh), **arrays)
        launch(_sequence_gradient, at_once, **given, dh0=dprev_h, dc0=dc, barriers=barriers, **sizes)
    else:
        dprev_h = xp.zeros((len(x), len(Wh)), dtype=x.dtype)
        dc = xp.zeros_like(dprev_h) if dlast_c is None else dlast_c.copy()
        step_da = xp.empty((len(x), gates.shape[2]), dtype=x.dtype)
        carried = None if mask is None else xp.zeros_like(dprev_h)
        arrays |= dict(carried=carried, dc=dc, step_da=step_da)
        for t in reversed(range(sizes["T"])):
            _step_gradient.threads(dc.size, dh=dprev_h, **arrays, t=t, **sizes)
            dprev_h = step_da @ Wh.T
        dprev_h = dprev_h if carried is None else dprev_h + carried
    dx, dWx, db = input_gradients(da, x, Wx)
    return dx, dprev_h, dWx, flat(prev_h).T @ flat(da), db, dc


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


def _supports_lstm(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, c0: Array | None = None, mask: Array | None = None
) -> bool:
    return fits(4, x, h0, Wx, Wh, (b,), c0) and mask_fits(mask, x, x.shape[:2])


def _supports_lstm_step(x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array) -> bool:
    return x.ndim == 2 and fits(4, x[:, None], prev_h, Wx, Wh, (b,), prev_c)


OVERRIDES = (
    Override("lstm_step", lstm_step_forward, _supports_lstm_step, LstmStepKernelCache, lstm_step_backward),
    Override("lstm", lstm_forward, _supports_lstm, LstmKernelCache, lstm_backward),
)
