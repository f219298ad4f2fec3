"""Whole models for the tests of the GPU, and batches for them: small ones, drawn alike on every machine."""

from typing import Any

import numpy as np

from minicap.arrays import Array, to_host
from minicap.captioning.models import AttendAndTell, AttendAndTellConfig, ShowAndTell, ShowAndTellConfig
from minicap.nn import Affine, Conv2d, Dropout, MaxPool2d, Module, ReLU, Sequential, Supervised

WORDS, FEATURES, PLACES = 11, 5, 6

Batch = dict[str, Array]


def cnn2() -> Module:
    """Two blocks of conv, relu, conv, relu, pool, dropout; two affine layers.  For images (3, 8, 8)."""

    def block(channels: int, filters: int) -> list[Module]:
        return [
            *(Conv2d(channels, filters, 3, pad=1), ReLU(), Conv2d(filters, filters, 3, pad=1), ReLU()),
            *(MaxPool2d(), Dropout(0.25)),
        ]

    return Supervised(Sequential(*block(3, 4), *block(4, 8), Affine(32, 16), ReLU(), Affine(16, 10)))


def lstm_captioner() -> Module:
    """Show and Tell."""
    return ShowAndTell(ShowAndTellConfig("lstm", 6, 7, dropout=0.2), FEATURES, WORDS)


def attention_captioner() -> Module:
    """Show, Attend and Tell."""
    config = AttendAndTellConfig(
        embed_size=4, hidden_size=7, attention_size=5, dropout=0.2, doubly_stochastic=1.0
    )
    return AttendAndTell(config, FEATURES, WORDS)


def images(rng: np.random.Generator) -> Batch:
    return dict(x=rng.normal(size=(4, 3, 8, 8)), y=rng.integers(10, size=4))


def captions(rng: np.random.Generator, *places: int) -> Batch:
    """Four captions of up to four words."""
    words = rng.integers(WORDS, size=(4, 5))
    mask = (np.arange(4) < np.array([4, 2, 3, 4])[:, None]).astype(np.float64)
    features = rng.normal(size=(4, *places, FEATURES))
    return dict(features=features, words=words[:, :-1], next_words=words[:, 1:], mask=mask)


def captions_of_grids(rng: np.random.Generator) -> Batch:
    return captions(rng, PLACES)


MODELS: dict[str, tuple[Any, Any]] = {
    "CNN2": (cnn2, images),
    "LSTM captioner": (lstm_captioner, captions),
    "attention captioner": (attention_captioner, captions_of_grids),
}


def relative_error(ours: Any, theirs: Any) -> float:
    """The largest difference over the largest of theirs; infinite for other shapes.  NaN stays NaN."""
    ours, theirs = to_host(ours).astype(np.float64), to_host(theirs).astype(np.float64)
    if ours.shape != theirs.shape:
        return float("inf")
    largest = np.abs(theirs).max(initial=0)
    gap = np.abs(ours - theirs).max(initial=0)
    return float(gap / largest) if largest else float(gap and np.inf)
