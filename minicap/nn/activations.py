"""Nonlinearities as modules."""

from typing import Any

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.layers.activations import (
    relu_backward,
    relu_forward,
    sigmoid_backward,
    sigmoid_forward,
    tanh_backward,
    tanh_forward,
)
from minicap.nn.module import Gradients, Module


class ReLU(Module):
    """max(0, x)."""

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return relu_forward(x)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        return relu_backward(dout, cache), {}


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return sigmoid_forward(x)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        return sigmoid_backward(dout, cache), {}


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return tanh_forward(x)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        return tanh_backward(dout, cache), {}
