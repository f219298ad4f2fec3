"""Cases for minicap.layers.conv1d."""

import numpy as np

from minicap.gradcheck.case import Inputs, case


@case("conv1d")
def plain(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 5, 4)), w=rng.normal(size=(3, 4, 6)), b=rng.normal(size=6))


@case("conv1d", "dilation, no bias")
def dilation(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 6, 3)), w=rng.normal(size=(4, 3, 5)), b=None, dilation=2)


@case("glu")
def glu(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 8)))


@case("conv1d", "equal sizes")
def square(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 3, 3)), w=rng.normal(size=(3, 3, 3)), b=rng.normal(size=3))


@case("conv1d", "in pieces", directions=1)
def pieces(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(19, 40, 48)), w=rng.normal(size=(5, 48, 96)), b=rng.normal(size=96))
