"""Dropout as a module."""

from typing import Any

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.layers.dropout import dropout_backward, dropout_forward
from minicap.nn.module import Gradients, Module


class Dropout(Module):
    """Drops entries with probability rate in training; the identity in evaluation."""

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return dropout_forward(x, self.rate, train, rng)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        return dropout_backward(dout, cache), {}
