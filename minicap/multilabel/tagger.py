"""A tagger in one piece: encoder, names of the labels and model, from photo to labels."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array
from minicap.arrays.out_of_memory import explain_out_of_memory
from minicap.backend.host import one_blas_thread
from minicap.errors import InputError
from minicap.formats import from_named
from minicap.models.encoders import Encoder, described_encoder, encode_files
from minicap.multilabel.model import MultiLabelModel, Tag
from minicap.multilabel.models import MODEL_SETTINGS, make_model
from minicap.training import Trained

T = TypeVar("T")

_SHIPPED = "weights/tagger.safetensors"


class Tagger(Trained):
    """Says what is on photos: any number of labels for each.

    Tagger.shipped() works straight after installation; Tagger.load(PATH) reads a checkpoint.
    labels: their names, the most frequent in training first.
    """

    kind, called = "tagger", "a tagger"

    def __init__(self, encoder: Encoder, labels: Sequence[str], model: MultiLabelModel) -> None:
        self.encoder, self.labels, self.model = encoder, tuple(labels), model

    @classmethod
    def create(cls, encoder: Encoder, labels: Sequence[str], config: Any) -> "Tagger":
        """A tagger whose model is untrained (see model.initialize).  config: the model's settings.

        Raises InputError for fewer than two labels.
        """
        if len(labels) < 2:
            raise InputError(f"a tagger needs two labels or more, not {len(labels)}")
        last = encoder.last_stage() if config.fine_tune else None
        return cls(encoder, labels, make_model(config, encoder.stages, len(labels), last))

    @property
    def reads(self) -> str:
        """The kind of features that the model is given by its encoder."""
        return reads(self.model.config)

    def about(self) -> dict[str, Any]:
        """What a checkpoint must carry besides arrays, as JSON values."""
        return {
            "kind": self.kind,
            "encoder": asdict(self.encoder.config),
            "preprocess": self.encoder.preprocess.to_json(),
            "labels": list(self.labels),
            "model": asdict(self.model.config),
        }

    @classmethod
    def described(cls, about: Mapping[str, Any], where: str) -> "Tagger":
        encoder = described_encoder(about, where)
        config = from_named(MODEL_SETTINGS, about["model"], "model", where)
        labels = about["labels"]
        if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
            raise TypeError("its labels are not a list of names")
        return cls.create(encoder, labels, config)

    @classmethod
    def shipped(cls) -> "Tagger":
        """The tagger in the package, of 18 labels (see docs/results.md for its training and scores)."""
        with resources.as_file(resources.files("minicap.multilabel") / _SHIPPED) as path:
            return cls.load(path)

    def features(self, photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Array:
        """The features that the model reads, (N, F), of one photo file or several.

        Raises InputError naming a file that is not a photo.
        """
        return encode_files(self.encoder, photos, self.reads)

    def tags(self, features: Array, beam: int = 3, batch_size: int = 256) -> list[list[Tag]]:
        """The labels of every photo, the surest first.  features: (N, F), as from `features`.

        beam: how many sets of labels are followed at once, where the model predicts one label after another.
        """
        batches = _in_batches(lambda rows: self.model.tags(rows, beam), features, batch_size)
        return [tags for batch in batches for tags in batch]

    def probabilities(self, features: Array, beam: int = 3, batch_size: int = 256) -> NDArray[np.floating]:
        """How sure the tagger is of every label, (N, K), also of those that it does not give."""
        batches = _in_batches(lambda rows: self.model.probabilities(rows, beam), features, batch_size)
        return np.concatenate(batches)

    def tag(
        self, photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], beam: int = 3
    ) -> list[list[tuple[str, float]]]:
        """The names of the labels of each photo file with their probabilities.

        Raises InputError naming a file that is not a photo.
        """
        found = self.tags(self.features(photos), beam)
        return [[(self.labels[tag.label], tag.probability) for tag in tags] for tags in found]


def reads(config: Any) -> str:
    """The kind of features that a model of these settings is given: channel means of the encoder's stages,
    or what lies below a last stage that is trained, too."""
    return "below" if config.fine_tune else "stages"


def _in_batches(decode: Callable[[Array], T], features: Array, batch_size: int) -> list[T]:
    """What is found for every batch of the features."""
    found = []
    with one_blas_thread():  # the products of a step are small: BLAS threads would wait for each other
        for start in range(0, len(features), batch_size):
            rows = features[start : start + batch_size]
            with explain_out_of_memory(len(rows)):
                found.append(decode(rows))
    return found
