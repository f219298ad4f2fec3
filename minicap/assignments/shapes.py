"""A small set of pictures that needs no download: discs, squares, triangles and crosses, drawn by rule."""

import numpy as np

from minicap.arrays import Array
from minicap.data import ArrayDataset

CLASSES = ("disc", "square", "triangle", "cross")
SIZE = 16
_NOISE = 40.0  # of 255, peak


def shapes(count: int, seed: int = 0, size: int = SIZE) -> ArrayDataset:
    """`count` coloured shapes on noisy backgrounds, a quarter of them in each class.

    A shape has any place, size and colour, brighter or darker than its background.
    Images (N, 3, size, size) uint8, labels (N,); a batch holds them centred around zero.  The same seed draws
    the same pictures.
    """
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(count) % len(CLASSES))
    radius = rng.uniform(0.22, 0.36, size=(count, 1, 1)) * size
    centre = rng.uniform(0.4, 0.6, size=(2, count, 1, 1)) * size
    rows, columns = np.mgrid[:size, :size] + 0.5
    down, right = rows - centre[0], columns - centre[1]
    inside = _inside(down, right, radius, y)
    ground, colour = rng.uniform(0, 110, size=(count, 3, 1, 1)), rng.uniform(145, 255, size=(count, 3, 1, 1))
    dark = rng.random((count, 1, 1, 1)) < 0.5  # so that no single pixel tells the class
    colour, ground = np.where(dark, ground, colour), np.where(dark, colour, ground)
    images = np.where(inside[:, None], colour, ground) + rng.uniform(-_NOISE, _NOISE, (count, 3, size, size))
    x = images.clip(0, 255).astype(np.uint8)
    return ArrayDataset(x, y, CLASSES, mean=(0.5,) * 3, std=(0.25,) * 3)


def _inside(down: Array, right: Array, radius: Array, y: Array) -> Array:
    """Which pixels (N, H, W) lie in the shape."""
    across, along = np.abs(right), np.abs(down)
    disc = down**2 + right**2 < radius**2
    square = np.maximum(across, along) < 0.85 * radius
    triangle = (along < 0.95 * radius) & (across < (down + 0.95 * radius) / 1.7)
    cross = (np.minimum(across, along) < 0.33 * radius) & (np.maximum(across, along) < radius)
    return np.choose(y[:, None, None], [disc, square, triangle, cross])
