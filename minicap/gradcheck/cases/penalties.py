"""Cases for minicap.layers.penalties."""

import numpy as np

from minicap.gradcheck.case import Inputs, away_from_zero, case


@case("l2_penalty_loss")
def l2_penalty(rng: np.random.Generator) -> Inputs:
    return dict(w=rng.normal(size=(3, 4)), strength=0.3)


@case("l1_penalty_loss", smooth=False)
def l1_penalty(rng: np.random.Generator) -> Inputs:
    return dict(w=away_from_zero(rng, (3, 4)), strength=0.3)
