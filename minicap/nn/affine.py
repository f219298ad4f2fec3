"""The fully connected layer as a module."""

from typing import Any

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.layers.affine import AffineCache, affine_backward, affine_forward
from minicap.nn.init import Initializer, he_normal, zeros
from minicap.nn.module import Gradients, Module


class Affine(Module):
    """out = x w + b for x (N, ...), flattened to (N, in_features)."""

    def __init__(self, in_features: int, out_features: int, draw: Initializer = he_normal) -> None:
        super().__init__()
        self.declare("w", (in_features, out_features), draw)
        self.declare("b", (out_features,), zeros)

    def forward(
        self, x: Array, train: bool = False, rng: RandomStream | None = None
    ) -> tuple[Array, AffineCache]:
        return affine_forward(x, self["w"], self["b"])

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        dx, dw, db = affine_backward(dout, cache)
        return dx, {"w": dw, "b": db}

    def parameter_gradients(self, dout: Array, cache: Any) -> Gradients:
        _, dw, db = affine_backward(dout, cache, input_gradient=False)
        return {"w": dw, "b": db}
