"""Captions without a language model, to compare with."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from minicap.backend import Array

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
    """The first caption of the training photo with the most similar features (cosine) for each query.

    features: (images, F) of the training photos, captions theirs.  queries: (N, F).
    """

    def unit(x: Array) -> Array:
        return np.asarray(x) / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)

    nearest = (unit(queries) @ unit(features).T).argmax(axis=1)
    return [" ".join(captions[i][0]) for i in nearest]
