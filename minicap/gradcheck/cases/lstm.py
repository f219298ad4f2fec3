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
    return dict(
        x=rng.normal(size=(2, 3, 5)),
        h0=rng.normal(size=(2, 4)),
        **_weights(rng),
        c0=rng.normal(size=(2, 4)),
    )


@case("lstm", "short sequences")
def lstm_masked(rng: np.random.Generator) -> Inputs:
    return dict(
        x=rng.normal(size=(3, 5, 5)),
        h0=rng.normal(size=(3, 4)),
        **_weights(rng),
        c0=rng.normal(size=(3, 4)),
        mask=_SHORT,
    )


@case("lstm", "short sequences, a mask of floats", fixed=("mask",))
def lstm_masked_by_floats(rng: np.random.Generator) -> Inputs:
    return lstm_masked(rng) | dict(mask=_SHORT.astype(np.float64))


def _weights(rng: np.random.Generator) -> Inputs:
    return dict(Wx=rng.normal(size=(5, 16)), Wh=rng.normal(size=(4, 16)), b=rng.normal(size=16))
