"""Cases for minicap.layers.rnn.

The relu cases keep off its kink: a bias of 1 or -1 outweighs the products, which stay below 0.9.
"""

import numpy as np

from minicap.gradcheck.case import Inputs, case

_SHORT = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [1, 1, 1, 1, 0]], dtype=bool)
# The mask at the first step, in the middle, and over a whole row.
_GAPS = np.array([[0, 1, 0, 1, 1], [1, 0, 0, 1, 0], [0, 0, 0, 0, 0]], dtype=bool)
_SIGNS = np.array([1.0, -1.0, 1.0, 1.0])


@case("rnn_step", "tanh")
def rnn_step(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 5)), prev_h=rng.normal(size=(3, 4)), **_weights(rng))


@case("rnn_step", "relu", smooth=False)
def rnn_step_relu(rng: np.random.Generator) -> Inputs:
    return dict(
        x=rng.uniform(-1, 1, size=(3, 5)),
        prev_h=rng.uniform(-1, 1, size=(3, 4)),
        **_small_weights(rng),
        activation="relu",
    )


@case("rnn", "tanh")
def rnn(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 5)), h0=rng.normal(size=(2, 4)), **_weights(rng))


@case("rnn", "tanh, short sequences")
def rnn_masked(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 5, 5)), h0=rng.normal(size=(3, 4)), **_weights(rng), mask=_SHORT)


@case("rnn", "relu, short sequences", fixed=("mask",), smooth=False)
def rnn_relu(rng: np.random.Generator) -> Inputs:
    return dict(
        x=rng.uniform(-1, 1, size=(3, 5, 5)),
        h0=rng.uniform(-1, 1, size=(3, 4)),
        **_small_weights(rng),
        activation="relu",
        mask=_SHORT.astype(np.float64),
    )


@case("rnn", "tanh, gaps")
def rnn_gaps(rng: np.random.Generator) -> Inputs:
    return rnn_masked(rng) | dict(mask=_GAPS)


@case("rnn", "tanh, equal sizes")
def rnn_square(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 4, 4)), h0=rng.normal(size=(4, 4)), **_weights(rng, D=4))


@case("rnn", "many samples")
def rnn_many(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(19, 2, 2)), h0=rng.normal(size=(19, 1)), **_weights(rng, D=2, H=1))


@case("rnn", "in pieces", directions=1)
def rnn_pieces(rng: np.random.Generator) -> Inputs:
    weights = {name: w / 8 for name, w in _weights(rng, D=70, H=65).items()}
    return dict(x=rng.normal(size=(67, 9, 70)), h0=rng.normal(size=(67, 65)), **weights)


def _weights(rng: np.random.Generator, D: int = 5, H: int = 4) -> Inputs:
    return dict(Wx=rng.normal(size=(D, H)), Wh=rng.normal(size=(H, H)), b=rng.normal(size=H))


def _small_weights(rng: np.random.Generator) -> Inputs:
    return dict(Wx=rng.uniform(-0.08, 0.08, size=(5, 4)), Wh=rng.uniform(-0.06, 0.06, size=(4, 4)), b=_SIGNS)
