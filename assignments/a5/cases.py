"""Inputs of the exercises: small, but of every kind that a convolution meets."""

import numpy as np

from minicap.arrays.windows import window_over
from minicap.backend.cpu.conv.transforms import transforms
from minicap.gradcheck.case import Case


def conv(x, w):
    """Its name is all that window_over needs."""


def convolution(x, w, bias=True, gradients=False, **options):
    """Arrays of these shapes; with gradients also the upstream gradient, without the bias."""
    options = dict(stride=1, pad=0, dilation=1) | options

    def make(rng):
        arrays = dict(x=rng.normal(size=x), w=rng.normal(size=w))
        if not gradients:
            return arrays | dict(b=rng.normal(size=w[0]) if bias else None) | options
        out = window_over(conv, x[2:], w[2:], options["stride"], options["pad"], options["dilation"]).out
        return dict(dout=rng.normal(size=(x[0], w[0], *out))) | arrays | options

    return make


def without(make, *names):
    return lambda rng: {name: value for name, value in make(rng).items() if name not in names}


def columns(x, size, **options):
    return lambda rng: dict(x=rng.normal(size=x), size=size) | dict(stride=1, pad=0, dilation=1) | options


def large(rng):
    return dict(seed=int(rng.integers(2**31)))


def points(m, taps):
    """Different points of a half's multiples, in another order every time."""

    def make(rng):
        chosen = rng.choice(np.arange(-5, 6), size=m + taps - 2, replace=False) / 2
        return dict(m=m, points=[float(p) for p in chosen], taps=taps)

    return make


def winograd(name, shape, taps=3, dtype=np.float64, **more):
    """A step of Winograd's convolution.  shape: from the number of points a and of outputs m to the array's.

    In float32 whole numbers, for which the step is exact.
    """

    def make(rng):
        t = transforms(taps, np.dtype(dtype))
        size = shape(len(t.BT), t.m)
        array = rng.normal(size=size) if dtype == np.float64 else rng.integers(-4, 5, size=size).astype(dtype)
        return {name: array} | dict(m=t.m, r=t.r, BT=t.BT, G=t.G, AT=t.AT) | more

    return make


def shards(parts, rows=7, row=0, count=None):
    def make(rng):
        arrays = dict(x=rng.normal(size=(rows, 3)), y=rng.normal(size=rows), w=rng.normal(size=3))
        return arrays | dict(scale=rng.normal(size=1), parts=parts, row=row, count=count)

    return make


def cut(parts, rows=7, whole=()):
    def make(rng):
        batch = dict(
            x=rng.normal(size=(rows, 2)), y=rng.integers(0, 5, size=rows), table=rng.normal(size=(3, 2))
        )
        batch = {name: array for name, array in batch.items() if name != "table" or "table" in whole}
        return dict(batch=batch, parts=parts, whole=list(whole))

    return make


def state(masked, order="forward", gradient=False, N=2, T=3, H=4):
    """What a kernel of the LSTM is handed at one step."""

    def make(rng):
        mask = (rng.random((N, T)) < 0.5).astype(float) if masked else None
        t = int(rng.integers(T))
        if masked:
            mask[:, t] = [0, 1]
        if not gradient:
            arrays = dict(product=rng.normal(size=(N, 4 * H)), b=rng.normal(size=4 * H), mask=mask)
            arrays |= dict(
                gates=rng.normal(size=(N, T, 4 * H)), h=rng.normal(size=(N, H)), c=rng.normal(size=(N, H))
            )
            return arrays | dict(t=t, order=order)
        arrays = dict(
            mask=mask, gates=rng.uniform(0.1, 0.9, size=(N, T, 4 * H)), prev_c=rng.normal(size=(N, T, H))
        )
        states = {name: rng.normal(size=(N, H)) for name in ("dh", "carried", "dc")}
        if not masked:
            states["carried"] = None
        return arrays | dict(dout=rng.normal(size=(N, T, H))) | states | dict(t=t, order=order)

    return make


WIDE, DEEP = (2, 3, 9, 11), (5, 3, 3, 3)
CASES = [
    Case("im2col without loops", "plain", columns((2, 2, 6, 5), (3, 2))),
    Case(
        "im2col without loops",
        "stride, pad, dilation",
        columns((2, 2, 7, 8), (2, 3), stride=(2, 3), pad=(1, 2), dilation=2),
    ),
    Case("conv in columns", "plain", convolution((2, 3, 6, 5), (4, 3, 3, 2))),
    Case("conv in columns", "no bias", convolution((2, 3, 6, 5), (4, 3, 3, 3), bias=False, pad=1)),
    Case(
        "conv in columns",
        "stride, pad, dilation",
        convolution((2, 2, 9, 8), (3, 2, 2, 3), stride=(2, 3), pad=(1, 2), dilation=2),
    ),
    Case("conv in columns", "a large batch", large),
    Case("conv gradients in columns", "plain", convolution((2, 3, 6, 5), (4, 3, 3, 2), gradients=True)),
    Case(
        "conv gradients in columns",
        "stride, pad, dilation",
        convolution((2, 2, 9, 8), (3, 2, 2, 3), gradients=True, stride=(2, 3), pad=(1, 2), dilation=2),
    ),
    Case(
        "conv gradients in columns",
        "many blocks",
        convolution((2, 3, 9, 8), (4, 3, 3, 3), gradients=True, pad=1, small_blocks=True),
    ),
    Case("winograd_matrices", "F(2, 3)", points(2, 3)),
    Case("winograd_matrices", "F(4, 3)", points(4, 3)),
    Case("winograd_matrices", "F(4, 5)", points(4, 5)),
    Case("winograd_matrices", "F(3, 3)", points(3, 3)),
    *(
        case
        for taps in (3, 5)
        for case in (
            Case("filters_at_points", f"{taps} taps", winograd("w", lambda a, m, r=taps: (3, 2, r, r), taps)),
            Case("filters_adjoint", f"{taps} taps", winograd("dU", lambda a, m: (a * a, 3, 2), taps)),
            Case(
                "to_points", f"{taps} taps", winograd("pixels", lambda a, m: (m + a, 2 * m + a, 2, 3), taps)
            ),
            Case(
                "from_points",
                f"{taps} taps",
                winograd("M", lambda a, m: (a * a, 2, 3, 2, 3), taps, given=False),
            ),
            Case("inputs_adjoint", f"{taps} taps", winograd("dV", lambda a, m: (a * a, 2, 3, 2, 3), taps)),
            Case("outputs_adjoint", f"{taps} taps", winograd("dY", lambda a, m: (2 * m, 3 * m, 2, 3), taps)),
        )
    ),
    Case("to_points", "float32", winograd("pixels", lambda a, m: (m + a, a, 2, 3), dtype=np.float32)),
    Case(
        "from_points",
        "into memory that is given",
        winograd("M", lambda a, m: (a * a, 2, 3, 2, 3), given=True),
    ),
    Case("inputs_adjoint", "float32", winograd("dV", lambda a, m: (a * a, 2, 2, 2, 3), dtype=np.float32)),
    Case("outputs_adjoint", "float32", winograd("dY", lambda a, m: (2 * m, m, 2, 3), dtype=np.float32)),
    Case(
        "winograd_convolve",
        "whole tiles",
        without(convolution((2, 3, 10, 10), (4, 3, 3, 3)), "stride", "dilation"),
    ),
    Case(
        "winograd_convolve",
        "tiles that hang over",
        without(convolution(WIDE, DEEP, pad=1), "stride", "dilation"),
    ),
    Case(
        "winograd_convolve",
        "many blocks",
        without(convolution(WIDE, DEEP, pad=1, small_blocks=True), "stride", "dilation"),
    ),
    Case(
        "winograd_convolve",
        "5 taps, no bias",
        without(convolution((2, 3, 9, 6), (4, 3, 5, 5), bias=False, pad=2), "stride", "dilation"),
    ),
    Case(
        "winograd_gradients",
        "whole tiles",
        without(convolution((2, 3, 10, 10), (4, 3, 3, 3), gradients=True), "stride", "dilation"),
    ),
    Case(
        "winograd_gradients",
        "tiles that hang over",
        without(convolution(WIDE, DEEP, gradients=True, pad=1), "stride", "dilation"),
    ),
    Case(
        "winograd_gradients",
        "many blocks",
        without(convolution(WIDE, DEEP, gradients=True, pad=1, small_blocks=True), "stride", "dilation"),
    ),
    Case(
        "winograd_gradients",
        "5 taps",
        without(convolution((1, 3, 9, 6), (4, 3, 5, 5), gradients=True, pad=2), "stride", "dilation"),
    ),
    Case("a step as a kernel", "no mask", state(False)),
    Case("a step as a kernel", "a mask", state(True)),
    Case("a step as a kernel", "threads in reverse order", state(True, "reversed")),
    Case("gradients of a step as a kernel", "no mask", state(False, gradient=True)),
    Case("gradients of a step as a kernel", "a mask", state(True, gradient=True)),
    Case(
        "gradients of a step as a kernel", "threads in reverse order", state(True, "reversed", gradient=True)
    ),
    Case("cut", "two parts", cut(2)),
    Case("cut", "more parts than rows", cut(5, rows=3)),
    Case("cut", "an array that stays whole", cut(3, whole=("table",))),
    Case("sharded_loss", "one part", shards(1)),
    Case("sharded_loss", "two parts", shards(2)),
    Case("sharded_loss", "three parts of a part", shards(3, row=11, count=20)),
]
