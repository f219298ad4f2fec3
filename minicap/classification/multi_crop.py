"""Scores of several views of an image, averaged: it itself, mirrored, and moved a little."""

from collections.abc import Callable, Iterator

import numpy as np

from minicap.arrays import Array


def multi_crop(score: Callable[[Array], Array], images: Array) -> Array:
    """Scores (N, K) of images (N, C, H, W): the weighted mean over six views (Jordan 2024, section 3.5).

    score: from images to scores.
    """
    return sum(weight * score(view) for weight, view in views(images))  # type: ignore[return-value]


def views(images: Array) -> Iterator[tuple[float, Array]]:
    """The image, and it moved by a pixel up and left and down and right, each also mirrored.

    Each comes with its weight: the image and its mirror image count a quarter each, the others an eighth.
    What moves in at the border is the image, reflected.
    """
    height, width = images.shape[2:]
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    moved = [padded[:, :, start : start + height, start : start + width] for start in (0, 2)]
    for weight, view in ((1 / 4, images), *((1 / 8, crop) for crop in moved)):
        yield weight, np.ascontiguousarray(view)
        yield weight, np.ascontiguousarray(view[..., ::-1])
