"""Cases for minicap.layers.lstm."""

import numpy as np

from minicap.gradcheck.case import Inputs, case

_SHORT = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], dtype=bool)
# The mask at the first step, in the middle, and over a whole row.
_GAPS = np.array([[0, 1, 0, 1, 1], [1, 0, 0, 1, 0], [0, 0, 0, 0, 0]], dtype=bool)


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


@case("lstm", "gaps")
def lstm_gaps(rng: np.random.Generator) -> Inputs:
    return lstm_masked(rng) | dict(mask=_GAPS)


@case("lstm", "equal sizes")
def lstm_square(rng: np.random.Generator) -> Inputs:
    arrays = dict(x=rng.normal(size=(4, 4, 4)), h0=rng.normal(size=(4, 4)), **_weights(rng, D=4))
    return arrays | dict(c0=rng.normal(size=(4, 4)))


@case("lstm", "many samples")
def lstm_many(rng: np.random.Generator) -> Inputs:
    arrays = dict(x=rng.normal(size=(19, 2, 2)), h0=rng.normal(size=(19, 1)), **_weights(rng, D=2, H=1))
    return arrays | dict(c0=rng.normal(size=(19, 1)))


@case("lstm", "in pieces", directions=1)
def lstm_pieces(rng: np.random.Generator) -> Inputs:
    weights = {name: w / 8 for name, w in _weights(rng, D=70, H=65).items()}
    arrays = dict(x=rng.normal(size=(67, 9, 70)), h0=rng.normal(size=(67, 65)), **weights)
    return arrays | dict(c0=rng.normal(size=(67, 65)))


def _weights(rng: np.random.Generator, D: int = 5, H: int = 4) -> Inputs:
    return dict(Wx=rng.normal(size=(D, 4 * H)), Wh=rng.normal(size=(H, 4 * H)), b=rng.normal(size=4 * H))
