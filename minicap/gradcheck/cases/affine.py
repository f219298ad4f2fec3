"""Cases for minicap.layers.affine."""

import numpy as np

from minicap.gradcheck.case import Inputs, case


@case("affine")
def affine(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 2, 2)), w=rng.normal(size=(4, 5)), b=rng.normal(size=5))
