"""What both normalisations ask of their arguments, and the rows and pieces that they cut them into."""

from functools import cache

import numpy as np

from minicap.arrays.backends import Array

MIN_SIZE = 1 << 15  # entries; below, calls cost more than passes
PIECE = 1 << 19  # entries
LONG_ROW = 1 << 14  # entries; NumPy's ufuncs copy what they broadcast over rows below its buffer size, 8192
FAR = 4  # a mean whose square is more variances than this is far from zero


def fit(dtype: np.dtype, shape: tuple[int, ...], *parameters: Array) -> bool:
    """Whether the parameters are arrays of this dtype and shape."""
    return all(isinstance(p, np.ndarray) and p.dtype == dtype and p.shape == shape for p in parameters)


def is_far(mean: Array, var: Array) -> bool:
    """Whether a mean must be subtracted before anything is multiplied, so that rounding does not show."""
    return bool((mean**2 > FAR * var).any())


@cache
def largest_divisor(number: int, most: int) -> int:
    """The largest divisor of a number that is not above `most`."""
    return next(d for d in range(most, 0, -1) if number % d == 0)
