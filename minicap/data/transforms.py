"""Augmentation: images changed at random, so that a network never sees one twice.

Every transform takes a batch (N, C, H, W) of floats, black at 0 and white at 1, and a RandomStream, and
returns a new batch.  What happens to a sample depends only on the stream and its row, so a resumed run sees
the same images.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minicap.arrays import Array
from minicap.arrays.random import RandomStream, random_uint16
from minicap.errors import InputError, ShapeError
from minicap.formats import nearest

Transform = Callable[[Array, RandomStream], Array]
Colour = float | Sequence[float]  # for all channels, or for each


def compose(*transforms: Transform) -> Transform:
    """Transforms applied one after another, each with its own random numbers."""

    def apply(images: Array, rng: RandomStream) -> Array:
        for number, transform in enumerate(transforms):
            images = transform(images, rng.child(number))
        return images

    return apply


def flip(probability: float = 0.5) -> Transform:
    """Mirror an image left to right with this probability."""
    if not 0 <= probability <= 1:
        raise InputError(f"flip: probability is {probability} but must lie in [0, 1]")

    def apply(images: Array, rng: RandomStream) -> Array:
        mirrored = _uniform(rng, len(images), 1)[:, 0] < probability
        out = _images("flip", images).copy()
        out[mirrored] = images[mirrored, :, :, ::-1]
        return out

    return apply


def shift(most: int, mode: str = "reflect", fill: Colour = 0.0) -> Transform:
    """Move an image by up to `most` pixels each way.

    mode: what moves in at the border, "reflect" (the image mirrored) or "constant" (the colour `fill`).
    """
    if mode not in ("reflect", "constant"):
        raise InputError(f'shift: mode is {mode!r} but must be "reflect" or "constant"')
    if most < 0:
        raise InputError(f"shift: most is {most} but must not be negative")

    def apply(images: Array, rng: RandomStream) -> Array:
        height, width = _images("shift", images).shape[2:]
        border = ((0, 0), (0, 0), (most, most), (most, most))
        if mode == "reflect":
            return _windows(np.pad(images, border, mode="reflect"), height, width, rng)
        padded = np.empty((*images.shape[:2], height + 2 * most, width + 2 * most), images.dtype)
        padded[:] = _colour("shift", fill, images)
        padded[:, :, most : most + height, most : most + width] = images
        return _windows(padded, height, width, rng)

    return apply


def crop(size: int) -> Transform:
    """A square of `size` pixels from anywhere in the image.  Raises ShapeError for smaller images."""
    if size < 1:
        raise InputError(f"crop: size is {size} but must be at least 1")

    def apply(images: Array, rng: RandomStream) -> Array:
        if min(_images("crop", images).shape[2:]) < size:
            raise ShapeError(f"crop: size is {size} but the images are {images.shape}")
        return _windows(images, size, size, rng)

    return apply


def cutout(size: int, fill: Colour = 0.0) -> Transform:
    """Paint a square of `size` pixels over, its centre anywhere in the image (DeVries & Taylor 2017).

    fill: its colour; the authors use the mean of the training images.
    """
    if size < 1:
        raise InputError(f"cutout: size is {size} but must be at least 1")

    def apply(images: Array, rng: RandomStream) -> Array:
        hidden = []
        for axis, (length, draw) in enumerate(
            zip(_images("cutout", images).shape[2:], _uniform(rng, len(images), 2).T, strict=True)
        ):
            start = np.floor(draw * length).astype(int)[:, None] - size // 2
            place = np.arange(length)
            inside = (place >= start) & (place < start + size)
            hidden.append(inside[:, :, None] if axis == 0 else inside[:, None, :])
        return np.where((hidden[0] & hidden[1])[:, None], _colour("cutout", fill, images), images)

    return apply


def colour_jitter(brightness: float = 0.0, contrast: float = 0.0, saturation: float = 0.0) -> Transform:
    """Change brightness, contrast and saturation by factors drawn from [1 - v, 1 + v], in this order.

    Brightness scales the pixels, contrast their distance from the mean of the image, saturation that from
    the mean of the channels.
    """
    for name, value in (("brightness", brightness), ("contrast", contrast), ("saturation", saturation)):
        if not 0 <= value <= 1:
            raise InputError(f"colour_jitter: {name} is {value} but must lie in [0, 1]")

    def apply(images: Array, rng: RandomStream) -> Array:
        draws = _uniform(rng, len(_images("colour_jitter", images)), 3).astype(images.dtype) * 2 - 1
        bright, contrasted, saturated = (
            (1 + value * draws[:, i])[:, None, None, None]
            for i, value in enumerate((brightness, contrast, saturation))
        )
        images = images * bright
        grey = images.mean(axis=(1, 2, 3), keepdims=True)
        images = grey + contrasted * (images - grey)
        grey = images.mean(axis=1, keepdims=True)
        return grey + saturated * (images - grey)

    return apply


# The transform of each name, from its amount and the fill colour.
AUGMENTATIONS: dict[str, Callable[[float, Colour], Transform]] = {
    "flip": lambda amount, fill: flip(amount),
    "shift": lambda amount, fill: shift(_pixels("shift", amount)),
    "cutout": lambda amount, fill: cutout(_pixels("cutout", amount), fill),
    "brightness": lambda amount, fill: colour_jitter(brightness=amount),
    "contrast": lambda amount, fill: colour_jitter(contrast=amount),
    "saturation": lambda amount, fill: colour_jitter(saturation=amount),
}


def make_augmentation(amounts: Mapping[str, float], fill: Colour = 0.0) -> Transform | None:
    """The transforms of these names, applied in order, each with its amount; None if there are none.

    {"flip": 0.5, "shift": 4, "cutout": 8}: mirrored with a probability of one half, moved by up to 4 pixels,
    a square of 8 pixels hidden.  fill: the colour that hides it.
    Raises InputError for an unknown name or an invalid amount.
    """
    for name in amounts:
        if name not in AUGMENTATIONS:
            known = ", ".join(AUGMENTATIONS)
            raise InputError(f"unknown augmentation {name!r}{nearest(name, AUGMENTATIONS)}; known: {known}")
    transforms = [AUGMENTATIONS[name](amount, fill) for name, amount in amounts.items()]
    return compose(*transforms) if transforms else None


def _pixels(transform: str, amount: float) -> int:
    if not float(amount).is_integer():
        raise InputError(f"{transform}: {amount} is not a whole number of pixels")
    return int(amount)


def _images(transform: str, images: Array) -> Array:
    if images.ndim != 4:
        raise ShapeError(f"{transform}: images is {images.shape} but must be (N, C, H, W)")
    return images


def _colour(transform: str, fill: Colour, images: Array) -> Array:
    """The colour, (C, 1, 1) or a number, in the dtype of the images."""
    colour = np.asarray(fill, dtype=images.dtype)
    if colour.ndim and colour.shape != (images.shape[1],):
        raise ShapeError(
            f"{transform}: fill has the shape {colour.shape}, but one number is needed for each of the "
            f"{images.shape[1]} channels, or one for all"
        )
    return colour.reshape(-1, 1, 1) if colour.ndim else colour


def _uniform(rng: RandomStream, samples: int, numbers: int) -> Array:
    """Numbers in [0, 1) for every sample, (N, numbers)."""
    return random_uint16(rng, (samples, numbers)) / 65536


def _windows(images: Array, height: int, width: int, rng: RandomStream) -> Array:
    """A window of this size from every image, at a random place."""
    windows = sliding_window_view(images, (height, width), axis=(2, 3))  # (N, C, places, places, H, W)
    places = np.array(windows.shape[2:4])
    top, left = np.floor(_uniform(rng, len(images), 2) * places).astype(int).T
    return windows[np.arange(len(images)), :, top, left]
