"""Cases for minicap.layers.activations."""

import numpy as np

from minicap.arrays import Array
from minicap.gradcheck.case import Inputs, away_from_zero, case


@case("relu", smooth=False)
def relu(rng: np.random.Generator) -> Inputs:
    return dict(x=away_from_zero(rng, (4, 5)))


@case("leaky_relu", smooth=False)
def leaky_relu(rng: np.random.Generator) -> Inputs:
    return dict(x=away_from_zero(rng, (4, 5)))


@case("leaky_relu", "steep", smooth=False)
def leaky_relu_steep(rng: np.random.Generator) -> Inputs:
    return dict(x=away_from_zero(rng, (4, 5)), slope=0.3)


@case("relu6", smooth=False)
def relu6(rng: np.random.Generator) -> Inputs:
    return dict(x=_around_both_kinks(rng, (4, 5)))


@case("elu", smooth=False)
def elu(rng: np.random.Generator) -> Inputs:
    return dict(x=away_from_zero(rng, (4, 5)))


@case("elu", "alpha", smooth=False)
def elu_alpha(rng: np.random.Generator) -> Inputs:
    return dict(x=away_from_zero(rng, (4, 5)), alpha=0.4)


@case("gelu")
def gelu(rng: np.random.Generator) -> Inputs:
    return dict(x=2 * rng.normal(size=(4, 5)))


@case("silu")
def silu(rng: np.random.Generator) -> Inputs:
    return dict(x=2 * rng.normal(size=(4, 5)))


@case("sigmoid")
def sigmoid(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 5)))


@case("tanh")
def tanh(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 5)))


@case("relu", "in pieces", smooth=False, directions=1)
def relu_pieces(rng: np.random.Generator) -> Inputs:
    return dict(x=away_from_zero(rng, (17, 16, 33, 32)))


def _around_both_kinks(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Below 0, between 0 and 6, and above 6 in turn, never within 0.5 of either kink."""
    offsets = np.resize([-2.5, 0.5, 3.0, 6.5], int(np.prod(shape)))
    return rng.permutation(offsets + rng.uniform(0, 2, size=offsets.shape)).reshape(shape)
