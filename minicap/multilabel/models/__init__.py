"""Multi-label models by name, one file each.

To add one: a file here with the model and its settings, and a line in MODELS.
"""

from typing import Any, NamedTuple

from minicap.models.stages import LastStage
from minicap.multilabel.model import MultiLabelModel
from minicap.multilabel.models.initialized import Initialized, InitializedConfig
from minicap.multilabel.models.joint_embedding import JointEmbedding, JointEmbeddingConfig
from minicap.multilabel.models.linear import LinearConfig, LinearTagger
from minicap.multilabel.models.sequence_to_sequence import SequenceToSequence, SequenceToSequenceConfig

__all__ = [
    "MODELS",
    "MODEL_SETTINGS",
    "Entry",
    "Initialized",
    "InitializedConfig",
    "JointEmbedding",
    "JointEmbeddingConfig",
    "LinearConfig",
    "LinearTagger",
    "SequenceToSequence",
    "SequenceToSequenceConfig",
    "make_model",
]


class Entry(NamedTuple):
    """A model and the dataclass of its settings."""

    model: Any  # called with (settings, stages, K), makes a MultiLabelModel
    settings: type[Any]


MODELS = {
    "linear": Entry(LinearTagger, LinearConfig),
    "joint-embedding": Entry(JointEmbedding, JointEmbeddingConfig),
    "initialized": Entry(Initialized, InitializedConfig),
    "sequence-to-sequence": Entry(SequenceToSequence, SequenceToSequenceConfig),
}
MODEL_SETTINGS = {name: entry.settings for name, entry in MODELS.items()}


def make_model(
    config: Any, stages: tuple[int, ...], num_labels: int, last: LastStage | None = None
) -> MultiLabelModel:
    """The model that these settings describe, not yet initialised; call initialize(seed) on it.

    stages: the channels of each stage of the encoder.  last: its last stage, where that is trained, too.
    """
    model: MultiLabelModel = MODELS[config.name].model(config, stages, num_labels, last)
    return model
