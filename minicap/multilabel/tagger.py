"""A tagger in one piece: encoder, names of the labels and model, from photo to labels."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.arrays.out_of_memory import explain_out_of_memory
from minicap.backend.host import one_blas_thread
from minicap.data.images import Preprocess
from minicap.errors import FormatError, InputError
from minicap.formats import Checkpoint, from_named, load_checkpoint, narrowed, save_checkpoint
from minicap.models.encoders import ENCODER_SETTINGS, Encoder, make_encoder
from minicap.multilabel.model import MultiLabelModel, Tag
from minicap.multilabel.models import MODEL_SETTINGS, make_model
from minicap.training import chosen_checkpoint, origin

KIND = "tagger"
READS = "stages"  # the kind of features of every multi-label model


class Tagger:
    """Says what is on photos: any number of labels for each.

    Tagger.load(PATH) reads a checkpoint.
    labels: their names, the most frequent in training first.
    origin: which checkpoint of its run this is, in words; empty when that is not known.
    """

    def __init__(self, encoder: Encoder, labels: Sequence[str], model: MultiLabelModel) -> None:
        self.encoder, self.labels, self.model = encoder, tuple(labels), model
        self.origin = ""

    @classmethod
    def create(cls, encoder: Encoder, labels: Sequence[str], config: Any) -> "Tagger":
        """A tagger whose model is untrained (see model.initialize).  config: the model's settings.

        Raises InputError for fewer than two labels.
        """
        if len(labels) < 2:
            raise InputError(f"a tagger needs two labels or more, not {len(labels)}")
        return cls(encoder, labels, make_model(config, encoder.stages, len(labels)))

    def about(self) -> dict[str, Any]:
        """What a checkpoint must carry besides arrays, as JSON values."""
        return {
            "kind": KIND,
            "encoder": asdict(self.encoder.config),
            "preprocess": self.encoder.preprocess.to_json(),
            "labels": list(self.labels),
            "model": asdict(self.model.config),
        }

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, where: str = "the checkpoint") -> "Tagger":
        """Raises FormatError when the checkpoint holds no tagger, or one that this minicap cannot run."""
        about = checkpoint.about
        if about.get("kind") != KIND:
            raise FormatError(f"{where} holds {about.get('kind', 'something unnamed')!r}, not a tagger")
        try:
            encoder = make_encoder(from_named(ENCODER_SETTINGS, about["encoder"], "encoder", where))
            preprocess = Preprocess.from_json(about["preprocess"])
            config = from_named(MODEL_SETTINGS, about["model"], "model", where)
            labels = about["labels"]
            if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
                raise TypeError("its labels are not a list of names")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"{where}: {error}") from None
        if preprocess != encoder.preprocess:
            raise FormatError(
                f"{where} was trained on photos prepared differently from {encoder.config.name}'s"
            )
        try:
            tagger = cls.create(encoder, labels, config)
            tagger.model.load({n: a.astype(np.float32) for n, a in checkpoint.model.items()})
        except (InputError, ValueError) as error:
            raise FormatError(f"{where} does not fit its own description: {error}") from None
        return tagger

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Tagger":
        """From a checkpoint file, or from the best checkpoint of a run folder.

        Raises InputError when there is none, FormatError when it is damaged or holds something else.
        """
        path = chosen_checkpoint(path)
        checkpoint = load_checkpoint(path)
        tagger = cls.from_checkpoint(checkpoint, str(path))
        tagger.origin = origin(checkpoint, path)
        return tagger

    def save(self, path: str | os.PathLike[str], dtype: Any = np.float16) -> None:
        """Write everything tagging needs, without the training state, in half precision.

        Raises InputError when the file cannot be written, or a number does not fit into that precision.
        """
        arrays = narrowed(self.model.params | self.model.state, dtype)
        save_checkpoint(path, Checkpoint(arrays, {}, {}, self.about()))

    def features(self, photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Array:
        """The channel means of every stage, (N, F), of one photo file or several.

        Raises InputError naming a file that is not a photo.
        """
        several = [photos] if isinstance(photos, (str, os.PathLike)) else photos
        if not several:
            raise InputError("Tagger.features: there are no photos")
        images = np.stack([self.encoder.preprocess.read(photo) for photo in several])
        return self.encoder.encode(images, READS)

    def tags(self, features: Array, beam: int = 3, batch_size: int = 256) -> list[list[Tag]]:
        """The labels of every photo, the surest first.  features: (N, F), as from `features`.

        beam: how many sets of labels are followed at once, where the model predicts one label after another.
        """
        found = []
        with one_blas_thread():  # the products of a step are small: BLAS threads would wait for each other
            for start in range(0, len(features), batch_size):
                rows = features[start : start + batch_size]
                with explain_out_of_memory(len(rows)):
                    found += self.model.tags(rows, beam)
        return found

    def tag(
        self, photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], beam: int = 3
    ) -> list[list[tuple[str, float]]]:
        """The names of the labels of each photo file with their probabilities.

        Raises InputError naming a file that is not a photo.
        """
        found = self.tags(self.features(photos), beam)
        return [[(self.labels[tag.label], tag.probability) for tag in tags] for tags in found]
