"""The vanilla RNN over sequences and by single steps."""

from typing import NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.launcher import Kernel
from minicap.backend.gpu.masks import as_mask, mask_fits
from minicap.backend.gpu.recurrent import fits, flat, input_gradients, over_time, product, sizes_of
from minicap.backend.gpu.sequences import launch, new_barriers, plan

_step = Kernel("recurrent.cu", "rnn_step")
_step_gradient = Kernel("recurrent.cu", "rnn_step_gradient")
_sequence = Kernel("sequences.cu", "rnn_sequence")
_sequence_gradient = Kernel("sequences.cu", "rnn_sequence_gradient")


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
    xp, sizes, relu = backend_of(x=x).xp, sizes_of(x, Wh), activation == "relu"
    mask = as_mask(mask, x)
    x, out, prev_h = xp.ascontiguousarray(x), product(x, Wx), over_time(x, Wh)
    arrays = dict(b=b, mask=mask, prev_h=prev_h, out=out)
    at_once = plan(_sequence, x, sizes, gates=1, states=1)
    barriers = new_barriers(x) if at_once else None
    if at_once:
        given = dict(Wh=xp.ascontiguousarray(Wh), h0=xp.ascontiguousarray(h0), **arrays)
        launch(_sequence, at_once, **given, barriers=barriers, relu=int(relu), **sizes)
    else:
        h = h0.copy()
        for t in range(sizes["T"]):
            _step.threads(h.size, product=h @ Wh, **arrays, h=h, relu=int(relu), t=t, **sizes)
    return out, RnnKernelCache(x, Wx, Wh, out, prev_h, relu, mask, barriers)


def rnn_backward(dh: Array, cache: RnnKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dh0, dWx, dWh, db."""
    x, Wx, Wh, h, prev_h, relu, mask, barriers = cache
    xp = check_dout(rnn_backward, h.shape, dh=dh)
    sizes, da = sizes_of(x, Wh), xp.empty_like(h)
    arrays = dict(mask=mask, h=h, dout=xp.ascontiguousarray(dh), da=da)
    at_once = barriers is not None and plan(_sequence_gradient, x, sizes, gates=1, states=1)
    if at_once:
        dprev_h = xp.empty((len(x), len(Wh)), dtype=x.dtype)
        given = dict(Wh=xp.ascontiguousarray(Wh), **arrays, dh0=dprev_h, barriers=barriers)
        launch(_sequence_gradient, at_once, **given, relu=int(relu), **sizes)
    else:
        dprev_h = xp.zeros((len(x), len(Wh)), dtype=x.dtype)
        step_da = xp.empty_like(dprev_h)
        carried = None if mask is None else xp.zeros_like(dprev_h)
        for t in reversed(range(sizes["T"])):
            states = dict(dh=dprev_h, carried=carried, step_da=step_da)
            _step_gradient.threads(step_da.size, **states, **arrays, relu=int(relu), t=t, **sizes)
            dprev_h = step_da @ Wh.T
        dprev_h = dprev_h if carried is None else dprev_h + carried
    dx, dWx, db = input_gradients(da, x, Wx)
    return dx, dprev_h, dWx, flat(prev_h).T @ flat(da), db


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


def _supports_rnn(
    x: Array, h0: Array, Wx: Array, Wh: Array, b: Array, activation: str = "tanh", mask: Array | None = None
) -> bool:
    known = activation in ("tanh", "relu")
    return known and fits(1, x, h0, Wx, Wh, (b,)) and mask_fits(mask, x, x.shape[:2])


def _supports_rnn_step(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, activation: str = "tanh"
) -> bool:
    return activation in ("tanh", "relu") and x.ndim == 2 and fits(1, x[:, None], prev_h, Wx, Wh, (b,))


OVERRIDES = (
    Override("rnn_step", rnn_step_forward, _supports_rnn_step, RnnStepKernelCache, rnn_step_backward),
    Override("rnn", rnn_forward, _supports_rnn, RnnKernelCache, rnn_backward),
)
