"""The sizes of a convolution: what decides whether an algorithm fits."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays.windows import IntOrPair, Padding, Window, whole, window_over
from minicap.errors import MinicapError

_DTYPES = np.dtype("float32"), np.dtype("float64")
FEWEST_PRODUCTS = 1 << 14  # a smaller convolution is over sooner in the textbook's few lines


class Problem(NamedTuple):
    """The sizes of one convolution.  C and F are those of one group."""

    N: int
    C: int
    F: int
    window: Window
    groups: int
    dtype: np.dtype


def problem_of(
    x: Any,
    w: Any,
    b: Any,
    stride: IntOrPair = 1,
    pad: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Problem | None:
    """The sizes of conv_forward's arguments.

    None where the textbook should run: complex numbers, tiny problems, and arguments that do not fit, so that
    it says what is wrong.
    """
    arrays = (x, w) if b is None else (x, w, b)
    if not all(isinstance(array, np.ndarray) and array.dtype == x.dtype for array in arrays):
        return None
    options = (stride, pad, dilation)
    try:
        return _problem(
            x.shape, w.shape, None if b is None else b.shape, x.dtype, *map(_hashable, options), groups
        )
    except (MinicapError, TypeError, ValueError):
        return None


def _hashable(option: Any) -> Any:
    return tuple(option) if isinstance(option, list) else option


@lru_cache(maxsize=4096)
def _problem(
    x: tuple[int, ...],
    w: tuple[int, ...],
    b: tuple[int, ...] | None,
    dtype: np.dtype,
    stride: IntOrPair,
    pad: Padding,
    dilation: IntOrPair,
    groups: int,
) -> Problem | None:
    (N, channels, H, W), (filters, C, *size) = x, w
    groups = whole(problem_of, "groups", groups)
    fits = channels == C * groups and filters % groups == 0 and b in (None, (filters,))
    if not fits or len(size) != 2 or 0 in x or 0 in w or dtype not in _DTYPES:
        return None
    window = window_over(problem_of, (H, W), size, stride, pad, dilation)
    positions = N * window.out[0] * window.out[1]
    if positions * filters * C * size[0] * size[1] < FEWEST_PRODUCTS:
        return None
    return Problem(N, C, filters // groups, window, groups, dtype)
