"""A ranking model in one piece: encoder, preprocessing, vocabulary and network."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, to_device, to_host
from minicap.captioning.examples import caption_batch
from minicap.captioning.retrieval.model import RankingModel, RankingModelConfig
from minicap.data.images import Preprocess
from minicap.errors import FormatError, InputError
from minicap.formats import (
    Checkpoint,
    entry,
    from_mapping,
    from_named,
    load_checkpoint,
    narrowed,
    save_checkpoint,
)
from minicap.models.encoders import ENCODER_SETTINGS, Encoder, make_encoder
from minicap.training import chosen_checkpoint, origin
from minicap.vocabulary import Vocabulary

KIND = "ranking model"
_AT_ONCE = 256


class Matcher:
    """Finds the sentences that match a photo and the photos that match a sentence.

    Matcher.load(PATH) reads a checkpoint.
    origin: which checkpoint of its run this is, in words; empty when that is not known.
    """

    def __init__(
        self, encoder: Encoder, vocabulary: Vocabulary, model: RankingModel, max_words: int = 20
    ) -> None:
        self.encoder, self.vocabulary, self.model, self.max_words = encoder, vocabulary, model, max_words
        self.origin = ""

    @classmethod
    def create(
        cls, encoder: Encoder, vocabulary: Vocabulary, config: RankingModelConfig, max_words: int = 20
    ) -> "Matcher":
        """A matcher whose network is untrained (see model.initialize)."""
        size = encoder.shapes["pooled"][-1]
        return cls(encoder, vocabulary, RankingModel(config, size, len(vocabulary)), max_words)

    def images(self, features: Array) -> NDArray[Any]:
        """Photos as points (N, D) of the space, on the host.  features: pooled, (N, F)."""
        starts = range(0, len(features), _AT_ONCE)
        parts = (to_device(features[start : start + _AT_ONCE]) for start in starts)
        return np.concatenate([to_host(self.model.embed_images(part)[0]) for part in parts])

    def sentences(self, sentences: Sequence[Sequence[str]]) -> NDArray[Any]:
        """Sentences, given as lists of words, as points (M, D) of the space, on the host.

        Raises InputError when there are none.
        """
        if not sentences:
            raise InputError("Matcher.sentences: there are no sentences")
        ids = [self.vocabulary.encode(list(words)[: self.max_words]) for words in sentences]
        found = []
        for start in range(0, len(ids), _AT_ONCE):
            some = ids[start : start + _AT_ONCE]
            batch = caption_batch(np.ones(len(some), np.float32), some, self.vocabulary.start)
            words, mask = to_device(batch["next_words"]), to_device(batch["mask"])
            found.append(to_host(self.model.embed_sentences(words, mask)[0]))
        return np.concatenate(found)

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
    def from_checkpoint(cls, checkpoint: Checkpoint, where: str = "the checkpoint") -> "Matcher":
        """Raises FormatError when the checkpoint holds no such model, or one that cannot be run here."""
        about = checkpoint.about
        if about.get("kind") != KIND:
            raise FormatError(f"{where} holds {about.get('kind', 'something unnamed')!r}, not a {KIND}")
        try:
            encoder = make_encoder(from_named(ENCODER_SETTINGS, about["encoder"], "encoder", where))
            preprocess = Preprocess.from_json(about["preprocess"])
            config = from_mapping(RankingModelConfig, about["model"], where)
            vocabulary = Vocabulary.from_json(about["vocabulary"])
            max_words = entry(about, "max_words", int, where)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FormatError(f"{where}: {error}") from None
        if preprocess != encoder.preprocess or max_words < 1:
            raise FormatError(f"{where} does not fit {encoder.config.name}'s photos, or is damaged")
        matcher = cls.create(encoder, vocabulary, config, max_words)
        try:
            matcher.model.load({n: a.astype(np.float32) for n, a in checkpoint.model.items()})
        except (InputError, ValueError) as error:
            raise FormatError(f"{where} does not fit its own description: {error}") from None
        return matcher

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Matcher":
        """From a checkpoint file, or from the best checkpoint of a run folder.

        Raises InputError when there is none, FormatError when it is damaged or holds something else.
        """
        path = chosen_checkpoint(path)
        checkpoint = load_checkpoint(path)
        matcher = cls.from_checkpoint(checkpoint, str(path))
        matcher.origin = origin(checkpoint, path)
        return matcher

    def save(self, path: str | os.PathLike[str], dtype: Any = np.float16) -> None:
        """Write everything matching needs, without the training state, in half precision.

        Raises InputError when the file cannot be written, or a number does not fit into that precision.
        """
        arrays = narrowed(self.model.params | self.model.state, dtype)
        save_checkpoint(path, Checkpoint(arrays, {}, {}, self.about()))
