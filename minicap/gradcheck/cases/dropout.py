"""Cases for minicap.layers.dropout.  The integer rng draws the same bits at every call."""

import numpy as np

from minicap.gradcheck.case import Inputs, case


@case("dropout")
def dropout(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 5)), rate=0.4, rng=123)


@case("dropout", "eval")
def dropout_eval(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 5)), rate=0.4, train=False)


@case("spatial_dropout")
def spatial_dropout(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 5, 2, 4)), rate=0.4, rng=123)


@case("spatial_dropout", "eval")
def spatial_dropout_eval(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 5, 2, 4)), rate=0.4, train=False)


@case("recurrent_dropout")
def recurrent_dropout(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 3, 5)), rate=0.4, rng=123)


@case("recurrent_dropout", "eval")
def recurrent_dropout_eval(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 3, 5)), rate=0.4, train=False)


@case("dropout", "in pieces", directions=1)
def dropout_pieces(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(17, 16, 33, 32)), rate=0.4, rng=123)
