"""Cases for minicap.layers.bidirectional."""

import numpy as np

from minicap.gradcheck.case import Inputs, case

_SHORT = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]], dtype=bool)
# The mask at the first step, in the middle, and over a whole row.
_GAPS = np.array([[0, 1, 0, 1], [1, 0, 1, 0], [0, 0, 0, 0]], dtype=bool)


@case("bidirectional", "rnn, short sequences")
def bidirectional_rnn(rng: np.random.Generator) -> Inputs:
    return _arrays(rng, 3, 4, gates=1) | dict(layer="rnn", mask=_SHORT)


@case("bidirectional", "lstm")
def bidirectional_lstm(rng: np.random.Generator) -> Inputs:
    return _arrays(rng, 3, 4, gates=4) | dict(c0=rng.normal(size=(2, 3, 2)))


@case("bidirectional", "lstm, short sequences")
def bidirectional_lstm_masked(rng: np.random.Generator) -> Inputs:
    return _arrays(rng, 3, 4, gates=4) | dict(c0=rng.normal(size=(2, 3, 2)), mask=_SHORT)


@case("bidirectional", "gru, reset before, short sequences")
def bidirectional_gru(rng: np.random.Generator) -> Inputs:
    return _arrays(rng, 3, 4, gates=3) | dict(
        bh=rng.normal(size=(2, 6)), layer="gru", reset_after=False, mask=_SHORT
    )


@case("bidirectional", "rnn, gaps")
def bidirectional_rnn_gaps(rng: np.random.Generator) -> Inputs:
    return bidirectional_rnn(rng) | dict(mask=_GAPS)


@case("bidirectional", "lstm, gaps")
def bidirectional_lstm_gaps(rng: np.random.Generator) -> Inputs:
    return bidirectional_lstm_masked(rng) | dict(mask=_GAPS)


@case("bidirectional", "gru, reset before, gaps")
def bidirectional_gru_gaps(rng: np.random.Generator) -> Inputs:
    return bidirectional_gru(rng) | dict(mask=_GAPS)


@case("bidirectional", "lstm, equal sizes")
def bidirectional_square(rng: np.random.Generator) -> Inputs:
    return _arrays(rng, 2, 2, gates=4, D=2, H=2) | dict(c0=rng.normal(size=(2, 2, 2)))


def _arrays(rng: np.random.Generator, N: int, T: int, gates: int, D: int = 5, H: int = 2) -> Inputs:
    return dict(
        x=rng.normal(size=(N, T, D)),
        h0=rng.normal(size=(2, N, H)),
        Wx=rng.normal(size=(2, D, gates * H)),
        Wh=rng.normal(size=(2, H, gates * H)),
        b=rng.normal(size=(2, gates * H)),
    )
