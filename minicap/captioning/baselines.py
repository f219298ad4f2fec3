"""Captions without a language model, to compare with."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from minicap.arrays import Array

Tokens = Sequence[str]


def most_frequent(captions: Sequence[Sequence[Tokens]], count: int) -> list[str]:
    """The one caption that occurs most often in training, for each of `count` images."""
    seen = Counter(" ".join(tokens) for of_image in captions for tokens in of_image)
    return [min(seen, key=lambda text: (-seen[text], text))] * count


def random_captions(captions: Sequence[Sequence[Tokens]], count: int, seed: int = 0) -> list[str]:
    """A training caption drawn at random for each of `count` images."""
    rng = np.random.default_rng(seed)
    every = [" ".join(tokens) for of_image in captions for tokens in of_image]
    return [every[i] for i in rng.integers(len(every), size=count)]


def nearest_neighbour(features: Array, captions: Sequence[Sequence[Tokens]], queries: Array) -> list[str]:
    """The first caption of the most similar training photo for each query.

    Similar by the cosine of features standardised over the training photos.
    features: (images, F) of the training photos, captions theirs.  queries: (N, F).
    """
    mean, std = np.mean(features, axis=0), np.std(features, axis=0)

    def direction(x: Array) -> Array:
        z = (np.asarray(x) - mean) / np.where(std > 0, std, 1)
        return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)

    nearest = (direction(queries) @ direction(features).T).argmax(axis=1)
    return [" ".join(captions[i][0]) for i in nearest]
