"""Cases for minicap.layers.temporal."""

import numpy as np

from minicap.gradcheck.case import Inputs, case


@case("temporal_affine")
def temporal_affine(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 4)), w=rng.normal(size=(4, 5)), b=rng.normal(size=5))


@case("temporal_affine", "equal sizes")
def square(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 3, 3)), w=rng.normal(size=(3, 3)), b=rng.normal(size=3))


@case("temporal_affine", "in pieces", directions=1)
def pieces(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(41, 26, 64)), w=rng.normal(size=(64, 260)), b=rng.normal(size=260))
