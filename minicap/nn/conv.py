"""Convolutions as modules."""

from math import prod
from typing import Literal

from minicap import layers
from minicap.errors import InputError
from minicap.nn.init import Initializer, Shape, he_normal, zeros
from minicap.nn.pair import Pair
from minicap.nn.sharing import Work


class Conv2d(Pair):
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
        bias: bool = True,
    ) -> None:
        shape = (out_channels, in_channels // _whole_groups(groups), size, size)
        super().__init__(
            layers.conv_forward,
            layers.conv_backward,
            _filters(shape, out_channels, draw, bias),
            **({} if bias else {"b": None}),
            stride=stride,
            pad=pad,
            dilation=dilation,
            groups=groups,
        )

    def work(self, pixels: int) -> Work:
        """Every weight meets every pixel."""
        return Work(prod(self.declared["w"].shape) * pixels, pays=True)


class ConvTranspose2d(Pair):
    """The transpose of a convolution, from x (N, in_channels, H, W); options as in conv_transpose_forward."""

    kind = "deconv"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int = 3,
        stride: int = 1,
        pad: int = 0,
        dilation: int = 1,
        groups: int = 1,
        output_pad: int = 0,
        draw: Initializer = he_normal,
        bias: bool = True,
    ) -> None:
        shape = (in_channels, out_channels // _whole_groups(groups), size, size)
        super().__init__(
            layers.conv_transpose_forward,
            layers.conv_transpose_backward,
            _filters(shape, out_channels, draw, bias),
            **({} if bias else {"b": None}),
            stride=stride,
            pad=pad,
            dilation=dilation,
            groups=groups,
            output_pad=output_pad,
        )

    work = Conv2d.work


class Conv1d(Pair):
    """Causal convolution of x (N, T, in_features) over time; dilation as in conv1d_forward."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        size: int = 3,
        dilation: int = 1,
        draw: Initializer = he_normal,
    ) -> None:
        parameters = {"w": ((size, in_features, out_features), draw), "b": ((out_features,), zeros)}
        super().__init__(layers.conv1d_forward, layers.conv1d_backward, parameters, dilation=dilation)


def _whole_groups(groups: int) -> int:
    if groups < 1:
        raise InputError(f"a convolution of {groups} groups; there must be at least 1")
    return groups


def _filters(
    shape: Shape, out_channels: int, draw: Initializer, bias: bool
) -> dict[str, tuple[Shape, Initializer]]:
    return {"w": (shape, draw)} | ({"b": ((out_channels,), zeros)} if bias else {})
