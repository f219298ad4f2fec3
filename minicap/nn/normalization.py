"""Normalisation as modules; batch normalisation keeps the running statistics as buffers."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicap import layers
from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.nn.init import Initializer, Shape, ones, zeros
from minicap.nn.module import Gradients
from minicap.nn.pair import Pair


class BatchNorm(Pair):
    """Batch normalisation of x (N, D).

    scale: whether it has a gamma; without, it is 1.
    In training every shard is normalised by its own samples, and the running statistics follow the first
    shard, so that they do not depend on which shard finishes first.
    """

    layer: tuple[Callable[..., Any], Callable[..., Any]] = layers.batchnorm_forward, layers.batchnorm_backward

    def __init__(self, features: int, momentum: float = 0.9, eps: float = 1e-5, scale: bool = True) -> None:
        parameters = _scale_and_shift(features)
        if not scale:
            del parameters["gamma"]
        super().__init__(*self.layer, parameters, momentum=momentum, eps=eps)
        self.buffers = {"running_mean": np.zeros(features), "running_var": np.ones(features)}

    def forward(self, x: Array, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        forward, _ = self.layer
        mean, var = self.buffers["running_mean"], self.buffers["running_var"]
        beta = self["beta"]
        gamma = self["gamma"] if "gamma" in self.declared else backend_of(beta=beta).xp.ones_like(beta)
        out, cache = forward(x, gamma, beta, mean, var, train=train, **self.options)
        if train and (rng is None or rng.row == 0):
            self.buffers = {"running_mean": cache.running_mean, "running_var": cache.running_var}
        return out, cache

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        dx, dgamma, dbeta = self.layer[1](dout, cache)
        grads = {"gamma": dgamma, "beta": dbeta}
        return dx if input_gradient else None, {name: grads[name] for name in self.declared}


class BatchNorm2d(BatchNorm):
    """Batch normalisation of the channels of x (N, C, H, W)."""

    kind = "bn"
    layer = layers.spatial_batchnorm_forward, layers.spatial_batchnorm_backward


class LayerNorm(Pair):
    """Normalisation of every row of x (..., D)."""

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        parameters = _scale_and_shift(features)
        super().__init__(layers.layernorm_forward, layers.layernorm_backward, parameters, eps=eps)


class GroupNorm(Pair):
    """Normalisation of groups of neighbouring channels of x (N, C, H, W), sample by sample."""

    def __init__(self, channels: int, groups: int, eps: float = 1e-5) -> None:
        super().__init__(
            layers.groupnorm_forward,
            layers.groupnorm_backward,
            _scale_and_shift(channels),
            groups=groups,
            eps=eps,
        )


class LRN(Pair):
    """Local response normalisation across neighbouring channels; options as in lrn_forward."""

    def __init__(self, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0) -> None:
        super().__init__(layers.lrn_forward, layers.lrn_backward, size=size, alpha=alpha, beta=beta, k=k)


def _scale_and_shift(features: int) -> dict[str, tuple[Shape, Initializer]]:
    return {"gamma": ((features,), ones), "beta": ((features,), zeros)}
