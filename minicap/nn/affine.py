"""Fully connected layers, and other simple ones, as modules."""

from minicap import layers
from minicap.nn.init import Initializer, he_normal, ones, zeros
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


class Flatten(Pair):
    """x (N, ...) as rows (N, D)."""

    def __init__(self) -> None:
        super().__init__(layers.flatten_forward, layers.flatten_backward)
