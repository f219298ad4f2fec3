"""Captioning models by name, one file each.

To add one: a file here with the model and its settings, and a line in MODELS.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minicap.captioning.model import CaptioningModel
from minicap.captioning.models.attend_and_tell import AttendAndTell, AttendAndTellConfig
from minicap.captioning.models.cnn_cnn import CnnCnn, CnnCnnConfig
from minicap.captioning.models.init_inject import InitInject, InitInjectConfig
from minicap.captioning.models.merge import Merge, MergeConfig
from minicap.captioning.models.neuraltalk import Neuraltalk, NeuraltalkConfig
from minicap.captioning.models.par_inject import ParInject, ParInjectConfig
from minicap.captioning.models.show_and_tell import ShowAndTell, ShowAndTellConfig
from minicap.captioning.models.transformer import Transformer, TransformerConfig
from minicap.errors import InputError

__all__ = [
    "MODELS",
    "MODEL_SETTINGS",
    "AttendAndTell",
    "AttendAndTellConfig",
    "CnnCnn",
    "CnnCnnConfig",
    "Entry",
    "InitInject",
    "InitInjectConfig",
    "Merge",
    "MergeConfig",
    "Neuraltalk",
    "NeuraltalkConfig",
    "ParInject",
    "ParInjectConfig",
    "ShowAndTell",
    "ShowAndTellConfig",
    "Transformer",
    "TransformerConfig",
    "make_model",
]


class Entry(NamedTuple):
    """A model and the dataclass of its settings."""

    model: Any  # called with (settings, F, V, log_frequency), makes a CaptioningModel
    settings: type[Any]


MODELS = {
    "show-and-tell": Entry(ShowAndTell, ShowAndTellConfig),
    "init-inject": Entry(InitInject, InitInjectConfig),
    "par-inject": Entry(ParInject, ParInjectConfig),
    "merge": Entry(Merge, MergeConfig),
    "neuraltalk": Entry(Neuraltalk, NeuraltalkConfig),
    "attend-and-tell": Entry(AttendAndTell, AttendAndTellConfig),
    "cnn-cnn": Entry(CnnCnn, CnnCnnConfig),
    "transformer": Entry(Transformer, TransformerConfig),
}
MODEL_SETTINGS = {name: entry.settings for name, entry in MODELS.items()}


def make_model(
    config: Any,
    shapes: Mapping[str, tuple[int, ...]],
    vocabulary_size: int,
    log_frequency: NDArray[np.float64] | None = None,
) -> CaptioningModel:
    """The model that these settings describe, not yet initialised; call initialize(seed) on it.

    shapes: those of one photo's features, by kind, as an Encoder has them.
    Raises InputError when the kind that the model reads is not among them.
    """
    kind = MODELS[config.name].model.reads
    if kind not in shapes:
        raise InputError(f"{config.name} reads {kind} features, but this encoder gives {', '.join(shapes)}")
    size = shapes[kind][-1]
    model: CaptioningModel = MODELS[config.name].model(config, size, vocabulary_size, log_frequency)
    return model
