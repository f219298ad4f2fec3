"""A captioner in one piece: encoder, preprocessing, vocabulary and model, from photo to sentence."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import resources
from typing import Any

import numpy as np

from minicap.arrays import Array, backend_of, to_host
from minicap.arrays.backends import NUMPY
from minicap.arrays.out_of_memory import explain_out_of_memory
from minicap.backend.host import in_parts
from minicap.captioning.model import CaptioningModel
from minicap.captioning.models import MODEL_SETTINGS, make_model
from minicap.decoding import Decoding, Hypothesis, without
from minicap.formats import entry, from_named
from minicap.models.encoders import Encoder, described_encoder, encode_files
from minicap.training import Trained
from minicap.vocabulary import SPECIAL, Vocabulary

MOST_WORDS = 1000  # in a caption
_SHIPPED = "weights/captioner.safetensors"


class Captioner(Trained):
    """Describes photos.

    Captioner.shipped() works straight after installation; Captioner.load(PATH) reads a checkpoint.
    """

    kind, called = "captioner", "a captioner"

    def __init__(
        self, encoder: Encoder, vocabulary: Vocabulary, model: CaptioningModel, max_words: int
    ) -> None:
        self.encoder, self.vocabulary, self.model, self.max_words = encoder, vocabulary, model, max_words

    @classmethod
    def create(
        cls, encoder: Encoder, vocabulary: Vocabulary, config: Any, max_words: int = 20
    ) -> "Captioner":
        """A captioner whose model is untrained (see model.initialize).  config: the model's settings."""
        model = make_model(config, encoder.shapes, len(vocabulary), vocabulary.log_frequency())
        return cls(encoder, vocabulary, model, max_words)

    def with_words_of(self, vocabulary: Vocabulary, seed: int = 0) -> "Captioner":
        """A copy that also knows the words of another vocabulary; new words are untrained.

        seed: for the initial values of the new words.
        """
        words = self.vocabulary.extended(vocabulary)
        copy = self.create(self.encoder, words, self.model.config, self.max_words)
        copy.model.initialize(seed)
        arrays = {
            name: to_host(array).copy() for name, array in (copy.model.params | copy.model.state).items()
        }
        for name, known in (self.model.params | self.model.state).items():
            arrays[name][tuple(slice(size) for size in known.shape)] = to_host(known)
        copy.model.load(arrays)
        return copy

    def about(self) -> dict[str, Any]:
        """What a checkpoint must carry besides arrays, as JSON values."""
        return {
            "kind": self.kind,
            "encoder": asdict(self.encoder.config),
            "preprocess": self.encoder.preprocess.to_json(),
            "vocabulary": self.vocabulary.to_json(),
            "model": asdict(self.model.config),
            "max_words": self.max_words,
        }

    @classmethod
    def described(cls, about: Mapping[str, Any], where: str) -> "Captioner":
        encoder = described_encoder(about, where)
        config = from_named(MODEL_SETTINGS, about["model"], "model", where)
        vocabulary = Vocabulary.from_json(about["vocabulary"])
        max_words = entry(about, "max_words", int, where)
        if not 1 <= max_words <= MOST_WORDS:
            raise ValueError(f"max_words is {max_words} but must be in 1..{MOST_WORDS}")
        if len(vocabulary) == len(SPECIAL):
            raise ValueError("it has an empty vocabulary")
        return cls.create(encoder, vocabulary, config, max_words)

    @staticmethod
    def flaw(arrays: Mapping[str, np.ndarray]) -> str:
        for name, array in arrays.items():
            if name.endswith("feature_std") and not (array > 0).all():
                return f"{name} has a standard deviation that is not above 0"  # every caption would be NaN
        return ""

    @classmethod
    def shipped(cls) -> "Captioner":
        """The captioner in the package (see docs/results.md for its training and scores)."""
        with resources.as_file(resources.files("minicap.captioning") / _SHIPPED) as path:
            return cls.load(path)

    def features(self, photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Array:
        """Features of the kind the model reads, (N, ...), of one photo file or several.

        They stay where the current backend keeps its arrays.
        Raises InputError naming a file that is not a photo.
        """
        return encode_files(self.encoder, photos, self.model.reads)

    def decode(
        self, features: Array, rng: np.random.Generator | int = 0, **options: Any
    ) -> list[list[Hypothesis]]:
        """Hypotheses for every photo, best first.  features: (N, ...), as from `features`.

        options: those of minicap.decoding.Decoding; the default is a beam of 3.  <unk> is never said,
        and no caption is empty.
        Raises InputError for options that contradict each other.
        """
        words, decoding = self.vocabulary, Decoding(**options)
        step = without(self.model.step, (words.pad, words.start, words.unk))

        def decoded(photos: slice) -> list[list[Hypothesis]]:
            return decoding.decode(
                step,
                self.model.start(features[photos]),
                words.start,
                words.end,
                self.max_words + 1,
                rng,
                forbid=lambda said: () if said else (words.end,),
            )

        # The products of a step are so small that BLAS threads would wait for each other; threads share the
        # photos instead.  Not on a GPU, and not in sampling, which draws its random numbers in one order.
        shared = backend_of(features=features) is NUMPY and not decoding.temperature
        products = len(features) * decoding.places * self.parameters if shared else 0
        return [found for part in in_parts(decoded, len(features), products) for found in part]

    def text(self, hypothesis: Hypothesis) -> str:
        """The hypothesis as a sentence of tokens."""
        return self.vocabulary.decode(hypothesis.words)

    def captions(self, features: Array, batch_size: int = 64, **options: Any) -> list[str]:
        """The best caption for every photo; options as in decode."""
        best = []
        for start in range(0, len(features), batch_size):
            rows = features[start : start + batch_size]
            with explain_out_of_memory(len(rows)):
                best += [self.text(found[0]) for found in self.decode(rows, **options)]
        return best
