"""Photos of random features and labels, split for a tagger on EfficientNet-Lite0's stages."""

from pathlib import Path

import numpy as np

from minicap.multilabel.run import TagSplit

LABELS = ("person", "dog", "sofa", "car")
NUMBERS = 24 + 40 + 112 + 320 + 1280


def split(name: str, photos: int = 24) -> TagSplit:
    """The first labels are the most frequent; the features of a photo give its labels away."""
    rng = np.random.default_rng(len(name))
    has = rng.random((photos, len(LABELS))) < [0.8, 0.5, 0.3, 0.2]
    directions = np.random.default_rng(9).normal(size=(len(LABELS), NUMBERS))
    features = (has @ directions + 0.1 * rng.normal(size=(photos, NUMBERS))).astype(np.float32)
    labels = [tuple(LABELS[k] for k in np.flatnonzero(row)) for row in has]
    return TagSplit([Path(f"{name}{i}.jpg") for i in range(photos)], features, labels, name)
