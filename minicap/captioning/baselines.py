"""Captions without a language model, to compare with."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from minicap.arrays import Array
from minicap.data import CaptionDataset

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

    Similarity is the cosine of features standardised over the training photos.
    features: (images, F) of the training photos; captions: theirs.  queries: (N, F).
    """
    mean, std = np.mean(features, axis=0), np.std(features, axis=0)

    def direction(x: Array) -> Array:
        z = (np.asarray(x) - mean) / np.where(std > 0, std, 1)
        return z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)

    nearest = (direction(queries) @ direction(features).T).argmax(axis=1)
    return [" ".join(captions[i][0]) for i in nearest]


def from_labels(labels: Sequence[Sequence[str]]) -> list[str]:
    """A sentence that names what is on each photo and nothing else: "a dog, a bench and an umbrella".

    labels: for each photo; a photo without labels becomes "a photo".
    """
    return [_named(names) for names in labels]


def labels_of(dataset: CaptionDataset, split: str) -> list[list[str]] | None:
    """The names of the categories on each photo of a split, in the layout of COCO; None where there are none.

    The data set has `categories`, [{"id": 18, "name": "dog"}, ...], and each photo `category_ids`.
    """
    categories = dataset.extra.get("categories")
    if not isinstance(categories, list) or not all(isinstance(c, dict) for c in categories):
        return None
    names = {str(c.get("id")): str(c.get("name")) for c in categories}
    ids = [image.extra.get("category_ids") for image in dataset.split(split)]
    if not all(isinstance(of_photo, list) for of_photo in ids):
        return None
    return [[names[str(i)] for i in of_photo or () if str(i) in names] for of_photo in ids]


def _named(names: Sequence[str]) -> str:
    things = [f"{'an' if name[:1].lower() in set('aeiou') else 'a'} {name}" for name in names]
    if not things:
        return "a photo"
    *before, last = things
    return f"{', '.join(before)} and {last}" if before else last
