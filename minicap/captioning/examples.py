"""Captioned images as batches for training."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from minicap.arrays import Array, backend_of, to_device, to_host
from minicap.arrays.random import RandomStream
from minicap.errors import InputError, ShapeError
from minicap.vocabulary import Vocabulary


class CaptionExamples:
    """Every caption of every image is one example.

    features: (images, ...), on any backend; they stay there.
    captions: the token lists of each image; words beyond max_words are cut off.
    """

    def __init__(
        self,
        features: Array,
        captions: Sequence[Sequence[Sequence[str]]],
        vocabulary: Vocabulary,
        max_words: int = 20,
    ) -> None:
        if len(features) != len(captions):
            raise ShapeError(f"CaptionExamples: {len(features)} rows of features but {len(captions)} images")
        if max_words < 1:
            raise InputError(f"CaptionExamples: max_words is {max_words} but must be at least 1")
        self.features, self.start = features, vocabulary.start
        self.pairs = [
            _Pair(image, vocabulary.encode(caption[:max_words]))
            for image, of_image in enumerate(captions)
            for caption in of_image
        ]
        self.lengths = np.array([len(pair.words) for pair in self.pairs])

    def __len__(self) -> int:
        return len(self.pairs)

    def batch(self, indices: np.ndarray, rng: RandomStream | None = None) -> dict[str, Array]:
        """The batch of the examples with these indices, as long as its longest caption; nothing is random."""
        pairs = [self.pairs[i] for i in indices]
        images = np.array([pair.image for pair in pairs])
        features = self.features[to_device(images, backend_of(features=self.features))]
        return caption_batch(features, [pair.words for pair in pairs], self.start)


def caption_batch(features: Array, captions: Sequence[Sequence[int]], start: int) -> dict[str, Array]:
    """A training batch with one row of features per caption, as long as the longest caption.

    captions: word indices, ending in <end>.  start: the index of <start>.
    """
    shape = len(captions), max(map(len, captions))
    words, next_words, mask = (np.zeros(shape, np.int64) for _ in range(3))
    words[:, 0] = start
    for row, caption in enumerate(captions):
        length = len(caption)
        words[row, 1:length] = caption[:-1]
        next_words[row, :length] = caption
        mask[row, :length] = 1
    return {
        "features": features,
        "words": words,
        "next_words": next_words,
        "mask": mask.astype(features.dtype),
    }


class _Pair(NamedTuple):
    image: int
    words: list[int]  # ends in <end>


def partial_captions(batch: Mapping[str, Array]) -> dict[str, Array]:
    """The same batch with one example for every word: (photo, the words before it) to that word.

    This is how a network with a single output is trained.  A batch of whole captions has the same loss and
    the same gradients, in T times fewer steps of the model, since a model reads a prefix on its way to the
    words after it.  Dropout draws different masks.
    """
    home = backend_of(mask=batch["mask"])
    rows, last = np.nonzero(to_host(batch["mask"]))
    steps = np.arange(batch["mask"].shape[1])
    partial = {name: array[to_device(rows, home)] for name, array in batch.items()}
    words = partial["words"] * to_device(steps <= last[:, None], home)  # the rest is padding, index 0
    mask = partial["mask"] * to_device(steps == last[:, None], home)
    return partial | {"words": words, "mask": mask}
