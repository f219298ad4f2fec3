"""Features brought to mean 0 and deviation 1 by what the training set looks like."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, to_device, to_host
from minicap.arrays.random import RandomStream
from minicap.errors import ShapeError
from minicap.nn.module import Gradients, Module


class Standardization(Module):
    """out = (x - mean) / std for x (N, ..., F), with buffers that `fit` takes from the training set."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.features = features
        self.buffers = {"mean": np.zeros(features), "std": np.ones(features)}

    def fit(self, x: Array, dtype: Any) -> None:
        """Take the mean and standard deviation of every feature of x (N, ..., F), a host or device array.

        Raises ShapeError when the last axis is not F.
        """
        self._check(x)
        mean, std, of_all = channel_moments(x)
        # A channel that never fires in training must not shout at the first photo where it does.
        for name, values in (("mean", mean), ("std", np.maximum(std, 1e-3 * of_all))):
            self.buffers[name] = to_device(values.astype(dtype))

    def forward(self, x: Array, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        self._check(x)
        return (x - self.buffers["mean"]) / self.buffers["std"], None

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        return dout / self.buffers["std"] if input_gradient else None, {}

    def _check(self, x: Array) -> None:
        if x.ndim < 2 or x.shape[-1] != self.features:
            raise ShapeError(f"Standardization: x is {x.shape} but must be (N, ..., {self.features})")


def channel_moments(
    features: Array, photos: int = 256
) -> tuple[NDArray[np.float64], NDArray[np.float64], float]:
    """Mean and deviation of every channel, and the deviation of all numbers together.

    Some photos at a time: the grids of a large set stay in their file.  features: (N, ..., F).
    """
    size = features.shape[-1]
    rows = features.size // size

    def pieces() -> Iterator[NDArray[np.float64]]:
        for first in range(0, len(features), photos):
            yield to_host(features[first : first + photos]).reshape(-1, size).astype(np.float64)

    mean = sum((piece.sum(axis=0) for piece in pieces()), np.zeros(size)) / rows
    variance = sum((((piece - mean) ** 2).sum(axis=0) for piece in pieces()), np.zeros(size)) / rows
    return mean, np.sqrt(variance), float(np.sqrt((variance + (mean - mean.mean()) ** 2).mean()))
