"""The photos of a split with their features and captions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from minicap.data import CaptionDataset, default_cache_folder, extract_features
from minicap.errors import InputError
from minicap.models.encoders import Encoder
from minicap.progress import Progress


@dataclass
class Split:
    """One split of a data set, ready for a captioner: its photos, their features and captions."""

    paths: list[Path]
    features: np.ndarray
    tokens: list[list[list[str]]]
    raw: list[list[str]]
    name: str = ""
    ids: Sequence[int | str] = ()  # of the photos in the data set

    def drawn(self, count: int, seed: int) -> "Split":
        """So many of its photos, chosen at random, in their order; all for a count of 0.

        Raises InputError when there are fewer.
        """
        if not count:
            return self
        if count > len(self.paths):
            raise InputError(f"subset is {count} but there are {len(self.paths)} photos to train on")
        chosen = np.sort(np.random.default_rng(seed).permutation(len(self.paths))[:count])
        return Split(
            [self.paths[i] for i in chosen],
            self.features[chosen],
            [self.tokens[i] for i in chosen],
            [self.raw[i] for i in chosen],
            self.name,
            [self.ids[i] for i in chosen] if self.ids else (),
        )


def load_split(dataset: CaptionDataset, split: str, encoder: Encoder, kind: str) -> Split:
    """Photos of a split with their features, from the cache or extracted now, with a progress bar."""
    images = dataset.split(split)
    paths = [image.path for image in images]
    with Progress(len(paths), f"{kind} features of {dataset.name} {split}", "photo") as progress:
        features = extract_features(
            paths,
            partial(encoder.encode, kind=kind),
            encoder.preprocess,
            key=encoder.key(kind),
            folder=default_cache_folder(),
            progress=progress.reach,
        )
    return Split(
        paths,
        features,
        [[list(tokens) for tokens in image.captions] for image in images],
        [list(image.raw) for image in images],
        split,
        [image.image_id for image in images],
    )
