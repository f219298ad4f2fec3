"""Masks of steps, words or positions, as kernels read them: numbers of the dtype they are applied to."""

import numpy as np

from minicap.arrays.backends import Array, backend_of, find_backend


def as_mask(mask: Array | None, like: Array) -> Array | None:
    """The mask in the dtype of another array, without gaps."""
    return None if mask is None else backend_of(mask=mask).xp.ascontiguousarray(mask, dtype=like.dtype)


def mask_fits(mask: Array | None, like: Array, *shapes: tuple[int, ...]) -> bool:
    """Whether there is no mask, or one of these shapes on the other array's backend."""
    if mask is None:
        return True
    known = find_backend(mask) is find_backend(like) and mask.dtype in (np.bool_, np.float32, np.float64)
    return known and mask.shape in shapes
