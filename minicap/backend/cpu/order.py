"""The memory order of fast image layers: logical NCHW arrays as views over H, W, N, C memory.

In this order everything at one pixel, for all images and channels, is contiguous, so tiles, windows and
pooling are long contiguous runs and a 1x1 convolution is one matrix product.  The order travels in the
strides: a fast layer returns such a view, and the next one recognises it and copies nothing.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from minicap.arrays.backends import Array


def as_hwnc(images: Array) -> Array:
    """Images (N, C, H, W) seen as (H, W, N, C), whatever their memory order; nothing is copied."""
    return images.transpose(2, 3, 0, 1)


def as_nchw(memory: Array) -> Array:
    """The inverse: (H, W, N, C) seen as (N, C, H, W)."""
    return memory.transpose(2, 3, 0, 1)


def is_hwnc(images: Array) -> bool:
    """Whether images (N, C, H, W) lie in H, W, N, C order without gaps."""
    return as_hwnc(images).flags.c_contiguous


def hwnc(images: Array) -> Array:
    """Images (N, C, H, W) as contiguous (H, W, N, C): their own memory if the order is right, else a copy."""
    return np.ascontiguousarray(as_hwnc(images))


def empty_images(shape: Sequence[int], dtype: npt.DTypeLike) -> Array:
    """New images (N, C, H, W) over H, W, N, C memory, not filled."""
    N, C, H, W = shape
    return as_nchw(np.empty((H, W, N, C), dtype))


class Scratch:
    """Temporaries of one call: each is allocated once and overwritten by every block of the call."""

    def __init__(self, dtype: npt.DTypeLike) -> None:
        self._dtype = dtype
        self._memory: dict[str, Array] = {}

    def __call__(self, name: str, *shape: int) -> Array:
        """Contiguous memory of this shape, with whatever the last block left in it."""
        size = 1
        for length in shape:
            size *= length
        memory = self._memory.get(name)
        if memory is None or memory.size < size:
            memory = self._memory[name] = np.empty(size, self._dtype)
        return memory[:size].reshape(shape)


def is_float(x: object) -> bool:
    """Whether x is a non-empty NumPy array of float32 or float64, which is what the faster pairs take."""
    return isinstance(x, np.ndarray) and x.dtype.char in "fd" and x.size > 0


def axis_order(x: Array) -> tuple[int, ...]:
    """The axes from the slowest to the fastest in memory: (2, 3, 0, 1) for H, W, N, C."""
    return tuple(sorted(range(x.ndim), key=lambda axis: -x.strides[axis]))


def empty_in_order(shape: Sequence[int], order: Sequence[int], dtype: npt.DTypeLike) -> Array:
    """A new array whose axes lie in this order in memory, not filled."""
    return np.empty([shape[axis] for axis in order], dtype).transpose(np.argsort(order))


def in_order(x: Array, order: Sequence[int]) -> Array:
    """x with its axes in this order in memory and without gaps: x itself if it is so already, else a copy."""
    if x.transpose(order).flags.c_contiguous:
        return x
    turned = empty_in_order(x.shape, order, x.dtype)
    # Where samples are contiguous, each is reordered in cache, which takes a quarter of the time.
    for part in range(len(x)) if x.ndim > 1 and axis_order(x)[0] == 0 else [...]:
        turned[part] = x[part]
    return turned


def is_dense(x: Array) -> bool:
    """Whether x fills one stretch of memory, in any order of its axes."""
    return x.transpose(axis_order(x)).flags.c_contiguous


def flat_pieces(*arrays: Array, entries: int = 1 << 18) -> Iterator[list[Array]]:
    """Matching consecutive pieces of dense arrays in the same memory order, small enough for the cache."""
    lines = [x.transpose(axis_order(x)).reshape(-1) for x in arrays]
    for first in range(0, len(lines[0]), entries):
        yield [line[first : first + entries] for line in lines]
