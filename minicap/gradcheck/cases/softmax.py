"""Cases for minicap.layers.softmax."""

import numpy as np

from minicap.gradcheck.case import Inputs, case


@case("softmax")
def softmax(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 5)))


@case("softmax", "one row")
def softmax_one_row(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=5))


@case("log_softmax")
def log_softmax(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 5)))


@case("log_softmax", "one row")
def log_softmax_one_row(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=5))
