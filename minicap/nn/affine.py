"""Fully connected and other simple layers as modules."""

from collections.abc import Sequence
from typing import Any

from minicap import layers
from minicap.arrays.random import RandomStream
from minicap.nn.init import Initializer, he_normal, ones, zeros
from minicap.nn.module import Gradients
from minicap.nn.pair import Pair


class Affine(Pair):
    """out = x w + b for x (N, ...), flattened to (N, in_features)."""

    def __init__(self, in_features: int, out_features: int, draw: Initializer = he_normal) -> None:
        parameters = {"w": ((in_features, out_features), draw), "b": ((out_features,), zeros)}
        super().__init__(layers.affine_forward, layers.affine_backward, parameters)


class TemporalAffine(Pair):
    """out[n, t] = x[n, t] w + b for x (N, T, in_features)."""

    def __init__(self, in_features: int, out_features: int, draw: Initializer = he_normal) -> None:
        parameters = {"w": ((in_features, out_features), draw), "b": ((out_features,), zeros)}
        super().__init__(layers.temporal_affine_forward, layers.temporal_affine_backward, parameters)


class ScaleShift(Pair):
    """A scale and a shift for each channel of x (N, C, ...)."""

    def __init__(self, channels: int) -> None:
        parameters = {"scale": ((channels,), ones), "shift": ((channels,), zeros)}
        super().__init__(layers.scale_shift_forward, layers.scale_shift_backward, parameters)


class Scale(Pair):
    """x times a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__(layers.scale_forward, layers.scale_backward, factor=factor)


class Split(Pair):
    """Cuts x along an axis into a tuple of pieces of these sizes."""

    def __init__(self, sizes: Sequence[int], axis: int = 1) -> None:
        super().__init__(layers.split_forward, layers.split_backward, sizes=sizes, axis=axis)

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Any, Any]:
        *pieces, cache = layers.split_forward(x, **self.options)
        return tuple(pieces), cache

    def backward(self, dout: Any, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        return layers.split_backward(*dout, cache) if input_gradient else None, {}


class Flatten(Pair):
    """x (N, ...) as rows (N, D)."""

    def __init__(self) -> None:
        super().__init__(layers.flatten_forward, layers.flatten_backward)
