"""Cases for minicap.layers.gru."""

import numpy as np

from minicap.gradcheck.case import Inputs, case

_SHORT = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], dtype=bool)
# The mask at the first step, in the middle, and over a whole row.
_GAPS = np.array([[0, 1, 0, 1, 1], [1, 0, 0, 1, 0], [0, 0, 0, 0, 0]], dtype=bool)


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


@case("gru", "reset after, gaps")
def gru_gaps(rng: np.random.Generator) -> Inputs:
    return gru_masked(rng) | dict(mask=_GAPS)


@case("gru", "reset before, gaps")
def gru_before_gaps(rng: np.random.Generator) -> Inputs:
    return gru_gaps(rng) | dict(reset_after=False)


@case("gru", "equal sizes")
def gru_square(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 4, 4)), h0=rng.normal(size=(4, 4)), **_weights(rng, D=4))


@case("gru", "many samples")
def gru_many(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(19, 2, 2)), h0=rng.normal(size=(19, 1)), **_weights(rng, D=2, H=1))


@case("gru", "in pieces", directions=1)
def gru_pieces(rng: np.random.Generator) -> Inputs:
    weights = {name: w / 8 for name, w in _weights(rng, D=70, H=65).items()}
    return dict(x=rng.normal(size=(67, 9, 70)), h0=rng.normal(size=(67, 65)), **weights)


def _weights(rng: np.random.Generator, D: int = 5, H: int = 4) -> Inputs:
    return dict(
        Wx=rng.normal(size=(D, 3 * H)),
        Wh=rng.normal(size=(H, 3 * H)),
        b=rng.normal(size=3 * H),
        bh=rng.normal(size=3 * H),
    )
