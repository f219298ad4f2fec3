"""Convolution as a module."""

from typing import Any, Literal

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.layers.conv import conv_backward, conv_forward
from minicap.nn.init import Initializer, he_normal, zeros
from minicap.nn.module import Gradients, Module


class Conv2d(Module):
    """Convolution of x (N, in_channels, H, W) with square filters; options as in conv_forward."""

    kind = "conv"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int = 3,
        stride: int = 1,
        pad: int | tuple[int, int] | Literal["same"] = 0,
        dilation: int = 1,
        groups: int = 1,
        draw: Initializer = he_normal,
    ) -> None:
        super().__init__()
        self.options: dict[str, Any] = dict(stride=stride, pad=pad, dilation=dilation, groups=groups)
        self.declare("w", (out_channels, in_channels // groups, size, size), draw)
        self.declare("b", (out_channels,), zeros)

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return conv_forward(x, self["w"], self["b"], **self.options)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        dx, dw, db = conv_backward(dout, cache)
        return dx, {"w": dw, "b": db}

    def parameter_gradients(self, dout: Array, cache: Any) -> Gradients:
        _, dw, db = conv_backward(dout, cache, input_gradient=False)
        return {"w": dw, "b": db}
