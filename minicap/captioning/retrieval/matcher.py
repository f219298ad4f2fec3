"""A ranking model in one piece: encoder, preprocessing, vocabulary and network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, to_device, to_host
from minicap.captioning.examples import caption_batch
from minicap.captioning.retrieval.model import RankingModel, RankingModelConfig
from minicap.errors import InputError
from minicap.formats import entry, from_mapping
from minicap.models.encoders import Encoder, described_encoder
from minicap.training import Trained
from minicap.vocabulary import Vocabulary

_AT_ONCE = 256


class Matcher(Trained):
    """Finds the sentences that match a photo and the photos that match a sentence.

    Matcher.load(PATH) reads a checkpoint.
    """

    kind, called = "ranking model", "a ranking model"

    def __init__(
        self, encoder: Encoder, vocabulary: Vocabulary, model: RankingModel, max_words: int = 20
    ) -> None:
        self.encoder, self.vocabulary, self.model, self.max_words = encoder, vocabulary, model, max_words

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
            "kind": self.kind,
            "encoder": asdict(self.encoder.config),
            "preprocess": self.encoder.preprocess.to_json(),
            "vocabulary": self.vocabulary.to_json(),
            "model": asdict(self.model.config),
            "max_words": self.max_words,
        }

    @classmethod
    def described(cls, about: Mapping[str, Any], where: str) -> "Matcher":
        encoder = described_encoder(about, where)
        config = from_mapping(RankingModelConfig, about["model"], where)
        vocabulary = Vocabulary.from_json(about["vocabulary"])
        max_words = entry(about, "max_words", int, where)
        if max_words < 1:
            raise ValueError(f"max_words is {max_words} but must be at least 1")
        return cls.create(encoder, vocabulary, config, max_words)
