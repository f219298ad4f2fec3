"""A stand-in for Pillow in the browser, which reads the photos itself: it resizes them, and nothing else."""

import sys
from enum import Enum
from types import ModuleType
from typing import Any, Self

import numpy as np

from minicap.errors import InputError


class Resampling(Enum):
    """The filters, each by its reach in pixels of the result where it shrinks, else of the photo."""

    BILINEAR = 1
    BICUBIC = 2

    def weight(self, distance: np.ndarray) -> np.ndarray:
        """What a pixel at this distance counts.  Bicubic as Keys 1981 with a = -0.5."""
        d = np.abs(distance)
        if self is Resampling.BILINEAR:
            return np.maximum(1 - d, 0)
        near, far = (1.5 * d - 2.5) * d * d + 1, ((-0.5 * d + 2.5) * d - 4) * d + 2
        return np.where(d < 1, near, np.where(d < 2, far, 0))


class Image:
    """The pixels (H, W, 3) uint8 of a photo."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.pixels, dtype=dtype)

    def resize(self, size: tuple[int, int], resample: Resampling) -> Self:
        """The photo in another size (width, height), to within a level of Pillow's."""
        wide = _shrunk(self.pixels.swapaxes(0, 1), size[0], resample).swapaxes(0, 1)
        return type(self)(_shrunk(wide, size[1], resample))


def _shrunk(pixels: np.ndarray, length: int, resample: Resampling) -> np.ndarray:
    """pixels (L, ...) uint8 with another length; every entry of the result is a weighted mean."""
    scale = len(pixels) / length
    stretch = max(scale, 1.0)  # a filter covers all pixels that shrink into one
    centre = (np.arange(length) + 0.5) * scale
    first = np.floor(centre - resample.value * stretch + 0.5).astype(int)
    places = first[:, None] + np.arange(int(2 * resample.value * stretch) + 2)
    weights = resample.weight((places + 0.5 - centre[:, None]) / stretch)
    weights = np.where((places >= 0) & (places < len(pixels)), weights, 0)
    weights = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    columns = (-1, *(1,) * (pixels.ndim - 1))
    total = np.zeros((length, *pixels.shape[1:]), dtype=np.float32)
    for place, weight in zip(places.clip(0, len(pixels) - 1).T, weights.T, strict=True):
        total += weight.reshape(columns) * pixels[place]
    return (total + 0.5).clip(0, 255).astype(np.uint8)


def _refuse(*_: Any, **__: Any) -> Any:
    raise InputError("photos cannot be read from files here: the browser hands over their pixels")


def install() -> None:
    """Answer `import PIL` by this stand-in, unless Pillow is there."""
    try:
        import PIL  # noqa: F401
    except ImportError:
        pillow, image, operations = (ModuleType(name) for name in ("PIL", "PIL.Image", "PIL.ImageOps"))
        image.__dict__.update(Image=Image, Resampling=Resampling, fromarray=Image, open=_refuse)
        unidentified = type("UnidentifiedImageError", (OSError,), {})
        pillow.__dict__.update(Image=image, ImageOps=operations, UnidentifiedImageError=unidentified)
        sys.modules.update({module.__name__: module for module in (pillow, image, operations)})
