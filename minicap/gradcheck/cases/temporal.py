"""Cases for minicap.layers.temporal."""

import numpy as np

from minicap.gradcheck.case import Inputs, case


@case("temporal_affine")
def temporal_affine(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 4)), w=rng.normal(size=(4, 5)), b=rng.normal(size=5))
