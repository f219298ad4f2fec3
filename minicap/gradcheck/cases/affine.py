"""Cases for minicap.layers.affine."""

import numpy as np

from minicap.gradcheck.case import Inputs, case


@case("affine")
def affine(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 2, 2)), w=rng.normal(size=(4, 5)), b=rng.normal(size=5))


@case("affine", "equal samples, inputs and outputs")
def square(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 4)), w=rng.normal(size=(4, 4)), b=rng.normal(size=4))


@case("affine", "many samples")
def many(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(67, 3)), w=rng.normal(size=(3, 2)), b=rng.normal(size=2))


@case("affine", "in pieces", directions=1)
def pieces(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(265, 25, 10)), w=rng.normal(size=(250, 259)), b=rng.normal(size=259))
