"""Convolutions as modules."""

from math import prod
from typing import Literal

from minicap import layers
from minicap.arrays import Array, backend_of
from minicap.arrays.windows import whole
from minicap.nn.init import Initializer, Shape, he_normal, zeros
from minicap.nn.pair import Pair
from minicap.nn.sharing import Work


class Conv2d(Pair):
    """Convolution of x (N, in_channels, H, W); options as in conv_forward.

    size: of the filters, a side of square ones or (height, width).
    """

    kind = "conv"

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int | tuple[int, int] = 3,
        stride: int = 1,
        pad: int | tuple[int, int] | Literal["same"] = 0,
        dilation: int = 1,
        groups: int = 1,
        draw: Initializer = he_normal,
        bias: bool = True,
    ) -> None:
        height, width = (size, size) if isinstance(size, int) else size
        shape = (out_channels, in_channels // whole(layers.conv_forward, "groups", groups), height, width)
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
        """Every weight is used at every pixel."""
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
        groups = whole(layers.conv_transpose_forward, "groups", groups)
        shape = (in_channels, out_channels // groups, size, size)
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

    def start(self, batch_size: int) -> Array:
        """The past of a first step: zeros (N, dilation (size - 1), in_features)."""
        w = self["w"]
        past = self.options["dilation"] * (w.shape[0] - 1)
        return backend_of(w=w).xp.zeros((batch_size, past, w.shape[1]), dtype=w.dtype)

    def step(self, x: Array, past: Array) -> tuple[Array, Array]:
        """The output (N, out_features) of one step more, x (N, in_features), and the past of the next one."""
        w = self["w"]
        seen = backend_of(x=x).xp.concatenate([past, x[:, None]], axis=1)
        window = seen[:, :: self.options["dilation"]]
        out = window.reshape(len(x), -1) @ w.reshape(-1, w.shape[2]) + self["b"]
        return out, seen[:, 1:]


def _filters(
    shape: Shape, out_channels: int, draw: Initializer, bias: bool
) -> dict[str, tuple[Shape, Initializer]]:
    return {"w": (shape, draw)} | ({"b": ((out_channels,), zeros)} if bias else {})
