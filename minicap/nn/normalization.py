"""Batch normalisation as modules, with the running statistics as buffers."""

from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.layers.normalization import (
    batchnorm_backward,
    batchnorm_forward,
    layernorm_backward,
    layernorm_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)
from minicap.nn.init import ones, zeros
from minicap.nn.module import Gradients, Module


class BatchNorm(Module):
    """Batch normalisation of x (N, D).

    In training every shard normalises with its own samples, and the running statistics follow the first
    shard, so that they do not depend on which shard ends first.
    """

    forward_pair, backward_pair = staticmethod(batchnorm_forward), staticmethod(batchnorm_backward)

    def __init__(self, features: int, momentum: float = 0.9, eps: float = 1e-5) -> None:
        super().__init__()
        self.options: dict[str, Any] = dict(momentum=momentum, eps=eps)
        self.declare("gamma", (features,), ones)
        self.declare("beta", (features,), zeros)
        self.buffers = {"running_mean": np.zeros(features), "running_var": np.ones(features)}

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        mean, var = self.buffers["running_mean"], self.buffers["running_var"]
        out, cache = self.forward_pair(x, self["gamma"], self["beta"], mean, var, train=train, **self.options)
        if train and (rng is None or rng.row == 0):
            self.buffers = {"running_mean": cache.running_mean, "running_var": cache.running_var}
        return out, cache

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        dx, dgamma, dbeta = self.backward_pair(dout, cache)
        return dx, {"gamma": dgamma, "beta": dbeta}


class BatchNorm2d(BatchNorm):
    """Batch normalisation of the channels of x (N, C, H, W)."""

    kind = "bn"
    forward_pair = staticmethod(spatial_batchnorm_forward)
    backward_pair = staticmethod(spatial_batchnorm_backward)


class LayerNorm(Module):
    """Normalisation of every row of x (..., D)."""

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.declare("gamma", (features,), ones)
        self.declare("beta", (features,), zeros)

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return layernorm_forward(x, self["gamma"], self["beta"], self.eps)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        dx, dgamma, dbeta = layernorm_backward(dout, cache)
        return dx, {"gamma": dgamma, "beta": dbeta}
