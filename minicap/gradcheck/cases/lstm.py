"""Cases for minicap.layers.lstm."""

import numpy as np

from minicap.gradcheck.case import Inputs, case

_SHORT = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], dtype=bool)


@case("lstm_step")
def lstm_step(rng: np.random.Generator) -> Inputs:
    return dict(
        x=rng.normal(size=(3, 5)),
        prev_h=rng.normal(size=(3, 4)),
        prev_c=rng.normal(size=(3, 4)),
        **_weights(rng),
    )


@case("lstm")
def lstm(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 5)), h0=rng.normal(size=(2, 4)), **_weights(rng))


@case("lstm", "c0")
def lstm_c0(rng: np.random.Generator) -> Inputs:
    return lstm(rng) | dict(c0=rng.normal(size=(2, 4)))


@case("lstm", "short sequences")
def lstm_masked(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 5, 5)), h0=rng.normal(size=(3, 4)), **_weights(rng), mask=_SHORT)


@case("lstm", "c0, short sequences", fixed=("mask",))
def lstm_c0_masked(rng: np.random.Generator) -> Inputs:
    return lstm_masked(rng) | dict(c0=rng.normal(size=(3, 4)), mask=_SHORT.astype(np.float64))


def _weights(rng: np.random.Generator) -> Inputs:
    return dict(Wx=rng.normal(size=(5, 16)), Wh=rng.normal(size=(4, 16)), b=rng.normal(size=16))
