"""Initial values of parameters."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from minicap.errors import InputError

Shape = tuple[int, ...]
Initializer = Callable[[np.random.Generator, Shape], NDArray[np.float64]]


def fans(shape: Shape) -> tuple[int, int]:
    """Inputs and outputs of one unit, of (D, M) matrices and filters (F, C/groups, HH, WW) or (K, D, F)."""
    if len(shape) == 4:
        window = shape[2] * shape[3]
        return shape[1] * window, shape[0] * window
    if len(shape) == 3:
        return shape[0] * shape[1], shape[0] * shape[2]
    return shape[0], shape[-1]


def zeros(rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
    """All zeros, for biases."""
    return np.zeros(shape)


def ones(rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
    """All ones, for the scales of normalisation layers."""
    return np.ones(shape)


def he_normal(rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
    """Normal with variance 2 / fan_in, which keeps the scale through ReLUs (He et al. 2015, eq. 10)."""
    return rng.normal(scale=np.sqrt(2 / fans(shape)[0]), size=shape)


def glorot_uniform(rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
    """Uniform with variance 2 / (fan_in + fan_out) (Glorot & Bengio 2010, eq. 16)."""
    bound = np.sqrt(6 / sum(fans(shape)))
    return rng.uniform(-bound, bound, size=shape)


def fan_in_uniform(rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
    """Uniform in [-1, 1] / sqrt(fan_in), as in LeCun et al. 1998, but a third of its variance.

    What PyTorch's convolutions and linear layers start from.
    """
    bound = 1 / np.sqrt(fans(shape)[0])
    return rng.uniform(-bound, bound, size=shape)


# Initializers with a setting are classes, so that modules with them can be pickled.


@dataclass(frozen=True)
class uniform:
    """Uniform in [-bound, bound]."""

    bound: float

    def __call__(self, rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
        return rng.uniform(-self.bound, self.bound, size=shape)


@dataclass(frozen=True)
class normal:
    """Normal with mean 0 and this standard deviation."""

    scale: float

    def __call__(self, rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
        return rng.normal(scale=self.scale, size=shape)


# For the last layer of a classifier, which no ReLU follows: the scores of an untrained network are almost
# equal, and its loss is that of chance (Goyal et al. 2017, section 5.1).
HEAD = normal(0.01)


@dataclass(frozen=True, eq=False)
class given:
    """The given values."""

    values: NDArray[np.float64]

    def __call__(self, rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
        return np.array(self.values)


@dataclass(frozen=True)
class identity:
    """Filters that pass the input through (Dirac): filter f is 1 at its centre in channel f, 0 elsewhere.

    For filters (F, C, HH, WW) without groups.  rest: draws the filters beyond the C-th, where
    there are more filters than channels; zeros by default, as in Zagoruyko & Komodakis 2017.
    """

    rest: Initializer = zeros

    def __call__(self, rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
        if len(shape) != 4:
            raise InputError(f"identity: {shape} is not a shape of filters, (F, C, HH, WW)")
        F, C, HH, WW = shape
        w, same = self.rest(rng, shape), np.arange(min(F, C))
        w[same] = 0
        w[same, same, HH // 2, WW // 2] = 1
        return w


@dataclass(frozen=True)
class stacked:
    """Draw the gate blocks of a recurrent matrix (D, blocks * H) one by one, each with its own fans."""

    draw: Initializer
    blocks: int

    def __call__(self, rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
        block = (*shape[:-1], shape[-1] // self.blocks)
        return np.concatenate([self.draw(rng, block) for _ in range(self.blocks)], axis=-1)


@dataclass(frozen=True)
class each:
    """Draw the entries of the first axis one by one, each with its own fans: one entry per direction."""

    draw: Initializer

    def __call__(self, rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
        return np.stack([self.draw(rng, shape[1:]) for _ in range(shape[0])])


def orthogonal(rng: np.random.Generator, shape: Shape) -> NDArray[np.float64]:
    """Orthonormal rows or columns, whichever are fewer (Saxe et al. 2014), for recurrent matrices."""
    tall = rng.normal(size=(max(shape), min(shape)))
    q, r = np.linalg.qr(tall)
    q *= np.sign(np.diag(r))
    return q if shape[0] >= shape[1] else q.T
