"""The same numbers in other memory orders, on which no result may depend."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.gradcheck.nested import is_float

Layout = Callable[[Array], Array]


def contiguous(array: Array) -> Array:
    """A copy in C order."""
    return np.array(array, order="C")


def strided(array: Array) -> Array:
    """A view of every other entry along every axis, with NaN in between."""
    between: Any = np.nan if is_float(array) else 0
    view = np.full([2 * size for size in array.shape], between, dtype=array.dtype)
    for axis in range(array.ndim):
        view = np.moveaxis(np.moveaxis(view, axis, 0)[::2], 0, axis)
    view[...] = array
    return view


def transposed(array: Array) -> Array:
    """A view of an array whose axes are in reverse memory order."""
    return np.array(array.T, order="C").T


def reversed_in_memory(array: Array) -> Array:
    """A view with negative strides along every axis."""
    backwards: Any = (..., *(slice(None, None, -1) for _ in array.shape))  # of no axes: still an array
    view: Array = np.array(array[backwards], order="C")[backwards]
    return view


LAYOUTS: dict[str, Layout] = {
    "transposed": transposed,
    "strided": strided,
    "negative-stride": reversed_in_memory,
}
