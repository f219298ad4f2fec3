"""A small one of every multi-label model, and a batch of five photos for it."""

from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.multilabel import LabelExamples, MultiLabelModel, make_model
from minicap.multilabel.models import (
    InitializedConfig,
    JointEmbeddingConfig,
    LinearConfig,
    SequenceToSequenceConfig,
)

STAGES = (2, 5)
NUM_LABELS = 4
LABELS = [[0], [0, 2, 3], [1, 2], [], [3, 1]]


def settings(dropout: float = 0.5) -> dict[str, Any]:
    """Settings of every kind of model, by a name for the tests."""
    sizes: dict[str, Any] = {"embed_size": 3, "hidden_size": 4, "dropout": dropout}
    looking = sizes | {"attention": True}
    return {
        "linear bce": LinearConfig("bce", dropout=dropout),
        "linear bce above 0": LinearConfig("bce", top=0, dropout=dropout),
        "linear softmax": LinearConfig("softmax", dropout=dropout),
        "linear warp": LinearConfig("warp", dropout=dropout),
        "joint": JointEmbeddingConfig(**sizes),
        "joint attention": JointEmbeddingConfig(**looking),
        "initialized hidden": InitializedConfig(way="hidden", **sizes),
        "initialized both": InitializedConfig(way="both", **sizes),
        "initialized step": InitializedConfig(way="step", **sizes),
        "initialized attention": InitializedConfig(**looking),
        "seq2seq shared": SequenceToSequenceConfig(shared=True, **sizes),
        "seq2seq separate": SequenceToSequenceConfig(shared=False, **sizes),
        "seq2seq shared attention": SequenceToSequenceConfig(shared=True, **looking),
        "seq2seq separate attention": SequenceToSequenceConfig(shared=False, **looking),
    }


SEQUENTIAL = [name for name in settings() if not name.startswith("linear")]


def small(name: str, dtype: Any = np.float64, dropout: float = 0.5, **changes: Any) -> MultiLabelModel:
    from dataclasses import replace

    model = make_model(replace(settings(dropout)[name], **changes), STAGES, NUM_LABELS)
    model.initialize(seed=1, dtype=dtype)
    return model


def batch_of_five(dtype: Any = np.float64, order: str = "frequent") -> dict[str, Array]:
    features = np.random.default_rng(0).normal(size=(len(LABELS), sum(STAGES))).astype(dtype)
    return LabelExamples(features, LABELS, NUM_LABELS, order).batch(np.arange(len(LABELS)))
