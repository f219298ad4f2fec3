"""Pooling as modules."""

from minicap import layers
from minicap.nn.pair import Pair


class MaxPool2d(Pair):
    """The largest entry of each window; options as in max_pool_forward."""

    kind = "pool"

    def __init__(
        self, size: int = 2, stride: int | None = None, pad: int = 0, ceil_mode: bool = False
    ) -> None:
        super().__init__(
            layers.max_pool_forward,
            layers.max_pool_backward,
            size=size,
            stride=stride,
            pad=pad,
            ceil_mode=ceil_mode,
        )


class AvgPool2d(Pair):
    """The mean of each window; options as in avg_pool_forward."""

    kind = "avgpool"

    def __init__(
        self,
        size: int = 2,
        stride: int | None = None,
        pad: int = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(
            layers.avg_pool_forward,
            layers.avg_pool_backward,
            size=size,
            stride=stride,
            pad=pad,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )


class GlobalAvgPool(Pair):
    """The mean of each channel: (N, C, H, W) to (N, C)."""

    def __init__(self) -> None:
        super().__init__(layers.global_avg_pool_forward, layers.global_avg_pool_backward)


class GlobalMaxPool(Pair):
    """The largest entry of each channel: (N, C, H, W) to (N, C)."""

    def __init__(self) -> None:
        super().__init__(layers.global_max_pool_forward, layers.global_max_pool_backward)
