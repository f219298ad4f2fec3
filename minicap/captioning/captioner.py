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
from minicap.data.images import Preprocess
from minicap.decoding import Decoding, Hypothesis, without
from minicap.errors import FormatError, InputError
from minicap.formats import Checkpoint, entry, from_named, load_checkpoint, narrowed, save_checkpoint
from minicap.models.encoders import ENCODER_SETTINGS, Encoder, make_encoder
from minicap.training import chosen_checkpoint, origin
from minicap.vocabulary import SPECIAL, Vocabulary

KIND = "captioner"
MOST_WORDS = 1000  # in a caption
_SHIPPED = "weights/captioner.safetensors"


class Captioner:
    """Describes photos.

    Captioner.shipped() works straight after installation; Captioner.load(PATH) reads a checkpoint.
    origin: which checkpoint of its run this is, in words; empty when that is not known.
    """

    def __init__(
        self, encoder: Encoder, vocabulary: Vocabulary, model: CaptioningModel, max_words: int
    ) -> None:
        self.encoder, self.vocabulary, self.model, self.max_words = encoder, vocabulary, model, max_words
        self.origin = ""

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
            "kind": KIND,
            "encoder": asdict(self.encoder.config),
            "preprocess": self.encoder.preprocess.to_json(),
            "vocabulary": self.vocabulary.to_json(),
            "model": asdict(self.model.config),
            "max_words": self.max_words,
        }

    @classmethod
    def from_checkpoint(cls, checkpoint: Checkpoint, where: str = "the checkpoint") -> "Captioner":
        """Raises FormatError when the checkpoint holds no captioner, or one that this minicap cannot run."""
        about = checkpoint.about
        if about.get("kind") != KIND:
            raise FormatError(f"{where} holds {about.get('kind', 'something unnamed')!r}, not a captioner")
        try:
            encoder = make_encoder(from_named(ENCODER_SETTINGS, about["encoder"], "encoder", where))
            preprocess = Preprocess.from_json(about["preprocess"])
            config = from_named(MODEL_SETTINGS, about["model"], "model", where)
            vocabulary = Vocabulary.from_json(about["vocabulary"])
            max_words = entry(about, "max_words", int, where)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"{where}: {error}") from None
        if preprocess != encoder.preprocess:
            raise FormatError(
                f"{where} was trained on photos prepared differently from {encoder.config.name}'s"
            )
        if not 1 <= max_words <= MOST_WORDS:
            raise FormatError(f"{where}: max_words is {max_words} but must be in 1..{MOST_WORDS}")
        if len(vocabulary) == len(SPECIAL):
            raise FormatError(f"{where} has an empty vocabulary")
        if flaw := _flaw(checkpoint.model):
            raise FormatError(f"{where}: {flaw}")
        captioner = cls.create(encoder, vocabulary, config, max_words)
        try:
            captioner.model.load({n: a.astype(np.float32) for n, a in checkpoint.model.items()})
        except (InputError, ValueError) as error:
            raise FormatError(f"{where} does not fit its own description: {error}") from None
        return captioner

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Captioner":
        """From a checkpoint file, or from the best checkpoint of a run folder.

        Raises InputError when there is none, FormatError when it is damaged or holds something else.
        """
        path = chosen_checkpoint(path)
        checkpoint = load_checkpoint(path)
        captioner = cls.from_checkpoint(checkpoint, str(path))
        captioner.origin = origin(checkpoint, path)
        return captioner

    @classmethod
    def shipped(cls) -> "Captioner":
        """The captioner in the package (see docs/results.md for its training and scores)."""
        with resources.as_file(resources.files("minicap.captioning") / _SHIPPED) as path:
            return cls.load(path)

    def save(self, path: str | os.PathLike[str], dtype: Any = np.float16) -> None:
        """Write everything captioning needs, without the training state, in half precision.

        Raises InputError when the file cannot be written, or a number does not fit into that precision.
        """
        arrays = narrowed(self.model.params | self.model.state, dtype)
        if flaw := _flaw(arrays):
            raise InputError(f"Captioner.save: {flaw}; save it as float32 (--float32)")
        save_checkpoint(path, Checkpoint(arrays, {}, {}, self.about()))

    def features(self, photos: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]) -> Array:
        """Features of the kind the model reads, (N, ...), of one photo file or several.

        They stay where the current backend keeps its arrays.
        Raises InputError naming a file that is not a photo.
        """
        several = [photos] if isinstance(photos, (str, os.PathLike)) else photos
        if not several:
            raise InputError("Captioner.features: there are no photos")
        images = np.stack([self.encoder.preprocess.read(photo) for photo in several])
        return self.encoder.encode(images, self.model.reads)

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
        size = sum(array.size for array in self.model.params.values())
        products = len(features) * decoding.places * size if shared else 0
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


def _flaw(arrays: Mapping[str, np.ndarray]) -> str:
    """What would make every caption NaN; empty if nothing would."""
    for name, array in arrays.items():
        if name.endswith("feature_std") and not (array > 0).all():
            return f"{name} has a standard deviation that is not above 0"
    return ""
