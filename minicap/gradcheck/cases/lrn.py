"""Cases for minicap.layers.lrn.  alpha is large, so that the path through the neighbours weighs in."""

import numpy as np

from minicap.gradcheck.case import Inputs, case


@case("lrn")
def lrn(rng: np.random.Generator) -> Inputs:
    return dict(x=2 * rng.normal(size=(2, 7, 2, 3)), alpha=0.5)


@case("lrn", "even window")
def lrn_even(rng: np.random.Generator) -> Inputs:
    return dict(x=2 * rng.normal(size=(2, 5, 3, 2)), size=2, alpha=0.7, beta=1.5, k=1.0)


@case("lrn", "window wider than the channels")
def lrn_wide(rng: np.random.Generator) -> Inputs:
    return dict(x=2 * rng.normal(size=(2, 3, 4, 2)), size=9, alpha=0.5)
