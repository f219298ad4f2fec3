"""Pooling as modules."""

from typing import Any

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.layers.pooling import (
    avg_pool_backward,
    avg_pool_forward,
    global_avg_pool_backward,
    global_avg_pool_forward,
    max_pool_backward,
    max_pool_forward,
)
from minicap.nn.module import Gradients, Module


class MaxPool2d(Module):
    """The largest entry of each window; options as in max_pool_forward."""

    kind = "pool"

    def __init__(
        self, size: int = 2, stride: int | None = None, pad: int = 0, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.options: dict[str, Any] = dict(size=size, stride=stride, pad=pad, ceil_mode=ceil_mode)

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return max_pool_forward(x, **self.options)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        return max_pool_backward(dout, cache), {}


class AvgPool2d(MaxPool2d):
    """The mean of each window; options as in avg_pool_forward."""

    kind = "avgpool"

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return avg_pool_forward(x, **self.options)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        return avg_pool_backward(dout, cache), {}


class GlobalAvgPool(Module):
    """The mean of each channel: (N, C, H, W) to (N, C)."""

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return global_avg_pool_forward(x)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        return global_avg_pool_backward(dout, cache), {}
