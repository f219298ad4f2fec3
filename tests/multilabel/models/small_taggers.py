"""A small one of every multi-label model, and a batch of five photos for it."""

from dataclasses import replace
from math import prod
from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.models.stages import LastStage
from minicap.multilabel import LabelExamples, MultiLabelModel, make_model
from minicap.multilabel.models import (
    InitializedConfig,
    JointEmbeddingConfig,
    LinearConfig,
    SequenceToSequenceConfig,
)
from minicap.nn import Conv2d, ReLU, Sequential

STAGES = (2, 5)
GRID = 2, 3, 3  # what the last stage reads, where it is trained too
NUM_LABELS = 4
LABELS = [[0], [0, 2, 3], [1, 2], [], [3, 1]]


def settings(dropout: float = 0.5) -> dict[str, Any]:
    """Settings of every kind of model, by a name for the tests."""
    sizes: dict[str, Any] = {"embed_size": 3, "hidden_size": 4, "dropout": dropout}
    looking = sizes | {"attention": True}
    tuned = sizes | {"fine_tune": True}
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
        "linear tuned": LinearConfig(dropout=dropout, fine_tune=True),
        "joint tuned": JointEmbeddingConfig(**tuned),
        "seq2seq attention tuned": SequenceToSequenceConfig(**looking, fine_tune=True),
    }


SEQUENTIAL = [name for name in settings() if not name.startswith("linear")]


def small(name: str, dtype: Any = np.float64, dropout: float = 0.5, **changes: Any) -> MultiLabelModel:
    config = replace(settings(dropout)[name], **changes)
    last = LastStage(Sequential(conv=Conv2d(GRID[0], STAGES[-1], 2), relu=ReLU()), GRID)
    model = make_model(config, STAGES, NUM_LABELS, last if config.fine_tune else None)
    model.initialize(seed=1, dtype=dtype)
    return model


def batch_of_five(dtype: Any = np.float64, order: str = "frequent", name: str = "") -> dict[str, Array]:
    """name: of the model; one that is tuned reads more features."""
    size = STAGES[0] + prod(GRID) if "tuned" in name else sum(STAGES)
    features = np.random.default_rng(0).normal(size=(len(LABELS), size)).astype(dtype)
    return LabelExamples(features, LABELS, NUM_LABELS, order).batch(np.arange(len(LABELS)))
