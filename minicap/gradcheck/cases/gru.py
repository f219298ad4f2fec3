"""Cases for minicap.layers.gru."""

import numpy as np

from minicap.gradcheck.case import Inputs, case

_SHORT = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], dtype=bool)


@case("gru_step", "reset after")
def gru_step(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 5)), prev_h=rng.normal(size=(3, 4)), **_weights(rng))


@case("gru_step", "reset before")
def gru_step_before(rng: np.random.Generator) -> Inputs:
    return gru_step(rng) | dict(reset_after=False)


@case("gru", "reset after")
def gru(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 5)), h0=rng.normal(size=(2, 4)), **_weights(rng))


@case("gru", "reset before")
def gru_before(rng: np.random.Generator) -> Inputs:
    return gru(rng) | dict(reset_after=False)


@case("gru", "reset after, short sequences")
def gru_masked(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 5, 5)), h0=rng.normal(size=(3, 4)), **_weights(rng), mask=_SHORT)


@case("gru", "reset before, short sequences", fixed=("mask",))
def gru_before_masked(rng: np.random.Generator) -> Inputs:
    return gru_masked(rng) | dict(reset_after=False, mask=_SHORT.astype(np.float64))


def _weights(rng: np.random.Generator) -> Inputs:
    return dict(
        Wx=rng.normal(size=(5, 12)),
        Wh=rng.normal(size=(4, 12)),
        b=rng.normal(size=12),
        bh=rng.normal(size=12),
    )
