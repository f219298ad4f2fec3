"""The GRU with the reset after the product, over sequences and by single steps."""

from typing import NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.launcher import Kernel
from minicap.backend.gpu.masks import as_mask, mask_fits
from minicap.backend.gpu.recurrent import fits, flat, input_gradients, over_time, product, sizes_of
from minicap.backend.gpu.sequences import launch, new_barriers, plan

_step = Kernel("recurrent.cu", "gru_step")
_step_gradient = Kernel("recurrent.cu", "gru_step_gradient")
_sequence = Kernel("sequences.cu", "gru_sequence")
_sequence_gradient = Kernel("sequences.cu", "gru_sequence_gradient")


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
    xp, sizes, mask = backend_of(x=x).xp, sizes_of(x, Wh), as_mask(mask, x)
    x, gates = xp.ascontiguousarray(x), product(x, Wx)
    hn, prev_h, out = (over_time(x, Wh) for _ in range(3))
    arrays = dict(b=b, bh=bh, mask=mask, gates=gates, hn=hn, prev_h=prev_h, out=out)
    at_once = plan(_sequence, x, sizes, gates=3, states=1)
    barriers = new_barriers(x) if at_once else None
    if at_once:
        given = dict(Wh=xp.ascontiguousarray(Wh), h0=xp.ascontiguousarray(h0), **arrays)
        launch(_sequence, at_once, **given, barriers=barriers, **sizes)
    else:
        h = h0.copy()
        for t in range(sizes["T"]):
            _step.threads(h.size, product=h @ Wh, **arrays, h=h, t=t, **sizes)
    return out, GruKernelCache(x, Wx, Wh, gates, hn, prev_h, mask, barriers)


def gru_backward(dh: Array, cache: GruKernelCache) -> tuple[Array, ...]:
    """Its gradients: dx, dh0, dWx, dWh, db, dbh."""
    x, Wx, Wh, gates, hn, prev_h, mask, barriers = cache
    xp = check_dout(gru_backward, prev_h.shape, dh=dh)
    sizes, da, du = sizes_of(x, Wh), xp.empty_like(gates), xp.empty_like(gates)
    arrays = dict(mask=mask, gates=gates, hn=hn, prev_h=prev_h, dout=xp.ascontiguousarray(dh), du=du, da=da)
    at_once = barriers is not None and plan(_sequence_gradient, x, sizes, gates=3, states=3)
    if at_once:
        dh0 = xp.empty((len(x), len(Wh)), dtype=x.dtype)
        given = dict(Wh=xp.ascontiguousarray(Wh), **arrays)
        launch(_sequence_gradient, at_once, **given, dh0=dh0, barriers=barriers, **sizes)
    else:
        dprev_h = xp.zeros((len(x), len(Wh)), dtype=x.dtype)
        carried = xp.zeros_like(dprev_h)
        step_du = xp.empty((len(x), gates.shape[2]), dtype=x.dtype)
        for t in reversed(range(sizes["T"])):
            states = dict(dh=dprev_h, carried=carried, step_du=step_du)
            _step_gradient.threads(carried.size, **states, **arrays, t=t, **sizes)
            dprev_h = step_du @ Wh.T
        dh0 = dprev_h + carried
    dx, dWx, db = input_gradients(da, x, Wx)
    return dx, dh0, dWx, flat(prev_h).T @ flat(du), db, flat(du).sum(axis=0)


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
    return reset_after and fits(3, x, h0, Wx, Wh, (b, bh)) and mask_fits(mask, x, x.shape[:2])


def _supports_gru_step(
    x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array, bh: Array, reset_after: bool = True
) -> bool:
    return reset_after and x.ndim == 2 and fits(3, x[:, None], prev_h, Wx, Wh, (b, bh))


OVERRIDES = (
    Override("gru_step", gru_step_forward, _supports_gru_step, GruStepKernelCache, gru_step_backward),
    Override("gru", gru_forward, _supports_gru, GruKernelCache, gru_backward),
)
