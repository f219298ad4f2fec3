"""A small one of every captioning model, and a batch of five captions for it."""

from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.captioning import CaptionExamples, CaptioningModel, Vocabulary, make_model
from minicap.captioning.models import (
    AttendAndTellConfig,
    CnnCnnConfig,
    InitInjectConfig,
    MergeConfig,
    NeuraltalkConfig,
    ParInjectConfig,
    ShowAndTellConfig,
    TransformerConfig,
)

SHAPES = {"pooled": (6,), "grid": (4, 6)}
CAPTIONS = [
    ["a", "dog", "runs", "on", "the", "beach"],
    ["two", "cats", "sleep"],
    ["a", "man", "rides", "a", "brown", "horse", "in", "the", "rain"],
    ["a", "dog", "sleeps"],
    [],
]
WORDS = Vocabulary.build(CAPTIONS)


def settings(hidden: int = 5, dropout: float = 0.5) -> dict[str, Any]:
    """Settings of every kind of model, by a name for the tests."""
    sizes: dict[str, Any] = {"embed_size": 4, "hidden_size": hidden, "dropout": dropout}
    return {
        "show-and-tell lstm": ShowAndTellConfig("lstm", **sizes),
        "show-and-tell gru": ShowAndTellConfig("gru", **sizes),
        "show-and-tell rnn": ShowAndTellConfig("rnn", **sizes),
        "init-inject": InitInjectConfig("lstm", **sizes),
        "par-inject": ParInjectConfig("gru", **sizes),
        "merge": MergeConfig("lstm", **sizes),
        "neuraltalk": NeuraltalkConfig(**sizes),
        "attend-and-tell": AttendAndTellConfig(**sizes, attention_size=3, doubly_stochastic=1.0),
        "cnn-cnn": CnnCnnConfig(embed_size=4, hidden_size=hidden, blocks=2, width=3, dropout=dropout),
        "transformer": TransformerConfig(2 * (hidden // 2), blocks=2, heads=2, inner_size=6, dropout=dropout),
    }


def small(name: str, dtype: Any = np.float64, **sizes: Any) -> CaptioningModel:
    model = make_model(settings(**sizes)[name], SHAPES, len(WORDS), WORDS.log_frequency())
    model.initialize(seed=1, dtype=dtype)
    return model


def batch_for(
    model: CaptioningModel, dtype: Any = np.float64, captions: list[list[str]] = CAPTIONS
) -> dict[str, Array]:
    """A batch with features of the kind the model reads."""
    shape = (len(captions), *SHAPES[model.reads])
    features = np.random.default_rng(0).normal(size=shape).astype(dtype)
    return CaptionExamples(features, [[c] for c in captions], WORDS).batch(np.arange(len(captions)))
