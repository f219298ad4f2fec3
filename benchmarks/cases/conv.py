"""Convolutions alone, forward and backward, in every shape that the networks of the table have."""

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from benchmarks import im2col
from benchmarks.case import Case, Task
from benchmarks.cases.steps import normal, on_shards, parts_of
from benchmarks.torch_mode import TorchMode
from minicap.layers.conv import conv_backward, conv_forward
from minicap.nn import Conv2d

Phase = Literal["both", "forward", "backward"]


@dataclass(frozen=True)
class Convolution:
    """x (N, C, H, H), w (F, C, size, size), b (F,); all three gradients in the backward phase."""

    N: int
    C: int
    H: int
    F: int
    size: int = 3
    pad: int = 1
    stride: int = 1
    phase: Phase = "both"

    @property
    def out(self) -> int:
        return (self.H + 2 * self.pad - self.size) // self.stride + 1

    @property
    def gflop(self) -> float:
        """Of the direct algorithm, whatever is used: a product for the output, dx and dw."""
        products = {"both": 3, "forward": 1, "backward": 2}[self.phase]
        return products * 2 * self.N * self.F * self.out**2 * self.C * self.size**2 / 1e9

    def arrays(self) -> tuple[Any, Any, Any, Any]:
        """x, w, b, dout"""
        fan_in = self.C * self.size**2
        return (
            normal(self.N, self.C, self.H, self.H),
            normal(self.F, self.C, self.size, self.size, scale=(2 / fan_in) ** 0.5),
            normal(self.F),
            normal(self.N, self.F, self.out, self.out),
        )

    def minicap(self, threads: int) -> Task:
        x, w, b, dout = self.arrays()
        options = dict(stride=self.stride, pad=self.pad)

        def set_up(x: Any, dout: Any) -> dict[str, Any]:
            # The first layer reads images as they are loaded, the others what a convolution left them.
            x = x if self.C <= 3 else as_a_convolution_leaves_it(x)
            return {
                "x": x,
                "dout": as_a_convolution_leaves_it(dout),
                "cache": conv_forward(x, w, b, **options)[1] if self.phase == "backward" else None,
            }

        def work(part: dict[str, Any]) -> dict[str, Any]:
            cache = part["cache"]
            if self.phase != "backward":
                _out, cache = conv_forward(part["x"], w, b, **options)
            if self.phase == "forward":
                return {}
            _dx, dw, db = conv_backward(part["dout"], cache)
            return {"w": dw, "b": db}

        def answer() -> dict[str, Any]:
            out, cache = conv_forward(x, w, b, **options)
            return dict(zip(("out", "dx", "dw", "db"), (out, *conv_backward(dout, cache)), strict=True))

        shards = Conv2d(self.C, self.F, self.size).shards({"out": dout}, self.N, threads)
        return Task(on_shards(work, [set_up(**p) for p in parts_of(shards, x=x, dout=dout)]), answer)

    def torch(self, mode: TorchMode) -> Task:
        import torch

        torch.set_grad_enabled(False)  # both directions are called by name, which spares torch its tape
        x, w, b, dout = (mode.tensor(array) for array in self.arrays())
        stride, pad = [self.stride] * 2, [self.pad] * 2

        def forward() -> Any:
            return torch.nn.functional.conv2d(x, w, b, stride, pad)

        def backward() -> Any:
            backward_op = torch.ops.aten.convolution_backward
            return backward_op(
                dout, x, w, [self.F], stride, pad, [1, 1], False, [0, 0], 1, [True, True, True]
            )

        return self._task(forward, lambda out: backward())

    def cs231n(self) -> Task:
        x, w, b, dout = self.arrays()

        def forward() -> Any:
            return im2col.conv_forward(x, w, b, self.stride, self.pad)

        _, cache = forward()
        return self._task(forward, lambda out: im2col.conv_backward(dout, cache))

    def dezero(self) -> Task:
        import dezero.functions as F
        from dezero import Variable

        arrays = self.arrays()
        x, w, b = (Variable(array) for array in arrays[:3])

        def forward() -> Any:
            return F.conv2d(x, w, b, self.stride, self.pad)

        def backward(out: Any) -> tuple[Any, Any, Any]:
            for variable in (x, w, b):
                variable.cleargrad()
            out.grad = Variable(arrays[3])
            out.backward()
            return x.grad.data, w.grad.data, b.grad.data

        return self._task(forward, backward)

    def _task(self, forward: Any, backward: Any) -> Task:
        """A peer's task from its two directions; backward gets what forward returned."""
        out = forward()

        def answer() -> dict[str, Any]:
            out = forward()
            value = out[0] if isinstance(out, tuple) else getattr(out, "data", out)
            return dict(zip(("out", "dx", "dw", "db"), (value, *backward(out)), strict=True))

        run = {"both": lambda: backward(forward()), "forward": forward, "backward": lambda: backward(out)}
        return Task(run[self.phase], answer)


def as_a_convolution_leaves_it(x: Any) -> Any:
    """x with its axes in the memory order that minicap's convolutions hand on."""
    channels = x.shape[1]
    zeros = np.zeros((channels, channels, 3, 3), dtype=x.dtype)
    out, _ = conv_forward(np.zeros_like(x), zeros, None, pad=1)
    held = np.empty_like(out)
    held[...] = x
    return held


_SHAPES = {
    "conv3x3/mnist": Convolution(64, 1, 28, 32, pad=0),
    "conv3x3/cifar": Convolution(64, 3, 32, 32),
    "conv3x3/32-32": Convolution(64, 32, 32, 32),
    "conv3x3/32-64": Convolution(64, 32, 32, 64),
    "conv3x3/64-64": Convolution(64, 64, 16, 64),
    "conv3x3/64-64-valid": Convolution(64, 64, 16, 64, pad=0),
    "conv3x3/resnet-64-64": Convolution(8, 64, 56, 64),
    "conv3x3/vgg-64-128": Convolution(8, 64, 112, 128),
    "conv3x3/vgg-512-512": Convolution(8, 512, 14, 512),
    "conv5x5/cnn5": Convolution(32, 64, 32, 64, size=5, pad=2),
    "conv1x1/resnet-256-64": Convolution(8, 256, 56, 64, size=1, pad=0),
    "conv1x1/resnet-64-256": Convolution(8, 64, 56, 256, size=1, pad=0),
    "strided/resnet-3x3": Convolution(8, 128, 56, 128, stride=2),
    "strided/resnet-stem": Convolution(8, 3, 224, 64, size=7, pad=3, stride=2),
}


def _case(name: str, work: Convolution, part: bool = False) -> Case:
    about = (
        f"x ({work.N}, {work.C}, {work.H}, {work.H}), {work.F} filters {work.size}x{work.size}, "
        f"pad {work.pad}, stride {work.stride}; {work.phase.replace('both', 'forward and backward')}"
    )
    peers = ("torch", "torch-channels-last") + (() if part else ("dezero", "cs231n"))
    return Case(name, about, work, peers, items=work.gflop, unit="GFLOP", part=part)


CASES = [_case(name, work) for name, work in _SHAPES.items()] + [
    _case(f"{name}:{phase}", replace(work, phase=phase), part=True)
    for name, work in _SHAPES.items()
    for phase in ("forward", "backward")
]
