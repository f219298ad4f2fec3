"""Cases for minicap.layers.sequence_losses."""

import numpy as np

from minicap.gradcheck.case import Inputs, case

_WORDS = np.array([[1, 4, 0, 0], [2, 2, 3, 0], [0, 1, 2, 3]])
_MASK = np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]], dtype=bool)


@case("temporal_softmax_loss")
def temporal_softmax(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 4, 5)), y=_WORDS, mask=_MASK)


@case("temporal_softmax_loss", "no mask, label smoothing, summed")
def temporal_softmax_smoothed(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 4, 5)), y=_WORDS, label_smoothing=0.2, reduction="sum")


@case("temporal_softmax_loss", "mean over words")
def temporal_softmax_words(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 4, 5)), y=_WORDS, mask=_MASK, reduction="words")


def _projection(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 4, 2)), w=rng.normal(size=(2, 5)), b=rng.normal(size=5), y=_WORDS)


@case("temporal_affine_softmax_loss")
def temporal_affine_softmax(rng: np.random.Generator) -> Inputs:
    return _projection(rng) | dict(mask=_MASK)


@case("temporal_affine_softmax_loss", "no mask, label smoothing, mean over words")
def temporal_affine_softmax_smoothed(rng: np.random.Generator) -> Inputs:
    return _projection(rng) | dict(label_smoothing=0.2, reduction="words")


@case("policy_gradient_loss", "a reward for each sentence", fixed=("advantage",))
def policy_gradient(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 4, 5)), y=_WORDS, advantage=rng.normal(size=3), mask=_MASK)


@case("policy_gradient_loss", "a reward for each word", fixed=("advantage",))
def policy_gradient_words(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(3, 4, 5)), y=_WORDS, advantage=rng.normal(size=(3, 4)), reduction="words")


@case("temporal_affine_softmax_loss", "in pieces", directions=1)
def temporal_affine_softmax_pieces(rng: np.random.Generator) -> Inputs:
    words, mask = rng.integers(0, 260, size=(41, 26)), rng.uniform(size=(41, 26)) < 0.8
    return dict(
        x=rng.normal(size=(41, 26, 64)),
        w=rng.normal(size=(64, 260)),
        b=rng.normal(size=260),
        y=words,
        mask=mask,
    )
