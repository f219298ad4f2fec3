"""Two independent ways to measure a derivative: extrapolated central differences and the complex step.

With f the objective along one entry of an argument, at a distance t from where it stands:

    D(h) = (f(h) - f(-h)) / 2h                     = f' + h^2 f''' / 6 + ...
    R(h) = (4 D(h/2) - D(h)) / 3                   = f' + O(h^4)           Richardson 1911
    S(h) = f(h) - 2 f(0) + f(-h)                   = h^2 f'' + ...
    Im f(i h) / h                                  = f' + O(h^2), no subtraction: Squire & Trapp 1998

Where f is smooth, R(h) and R(h/2) agree and S(h) = 4 S(h/2) up to h^4.  Where a kink lies within h of the
entry, at least one of the two is off by a good part of the jump in slope, wherever in that interval it lies.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np

from minicap.arrays import Array

TOLERANCE = 1e-8  # for extrapolated central differences, relative to the largest gradient entry of an array
COMPLEX_TOLERANCE = 1e-12  # for the complex step, which has no cancellation
FLOAT32_TOLERANCE = 1e-3  # between the gradients of the float32 and the float64 run
STEP = 1e-4  # of the largest entry of the array: rounding costs about 1e-12, truncation 1e-16
DIRECTION_STEP = 1e-5  # along a direction every entry moves, so curvature adds up
COMPLEX_STEP = 1e-20  # its square vanishes beside 1
FLOOR = 1e-8  # gradients smaller than this are compared absolutely
_EPS = float(np.finfo(np.float64).eps)


class Derivative(NamedTuple):
    """Central differences of one array argument, by its entries or along some directions."""

    values: Array  # like the argument, entries not measured nan; or (k,), one for each direction
    kinks: Array  # bool, True where differences at three steps disagree
    step: float
    noise: float  # how far rounding alone can separate two measurements
    directions: Array | None = None  # (k, *shape of the argument); None where entries were measured

    def seen(self, gradient: Array) -> Array:
        """A gradient of the argument as it was measured: itself, or its products with the directions."""
        gradient = np.asarray(gradient)
        if self.directions is None:
            return gradient
        return np.asarray(np.tensordot(self.directions, gradient, gradient.ndim))


def step_size(x: Array, relative: float | None = None) -> float:
    """The step for an array: STEP, or the one given, times its largest entry (1 when all are zero)."""
    return (STEP if relative is None else relative) * (float(np.abs(x).max(initial=0.0)) or 1.0)


def central_differences(
    change: Callable[[], float],
    x: Array,
    magnitude: float,
    step: float | None = None,
    entries: Array | None = None,
    tolerance: float = TOLERANCE,
) -> Derivative:
    """Differentiate an objective by every entry of x, or by the flat entries named.

    change: the objective now minus what it was before x was touched.  x: float64, perturbed in place and
    restored.  magnitude: size of the numbers that were summed into the objective, for its rounding error.
    """
    h = step_size(x) if step is None else step
    chosen = np.arange(x.size) if entries is None else entries
    noise = 16 * _EPS * magnitude / h

    d1, s1 = odd_and_even(change, x, chosen, h)
    d2, s2 = odd_and_even(change, x, chosen, h / 2)
    r1, bend = (4 * d2 - d1) / 3, np.abs(s1 - 4 * s2) / h
    limit = max(tolerance * max(FLOOR, float(np.abs(r1).max(initial=0.0))) / 10, 2 * noise)

    # Differences at two steps agree nearly everywhere; a third step decides the rest.
    values, kink = r1.copy(), np.zeros(len(chosen), dtype=bool)
    doubtful = np.flatnonzero(~((np.abs(d1 - d2) <= limit) & (bend <= limit)))
    if len(doubtful):
        d3, s3 = odd_and_even(change, x, chosen[doubtful], h / 4)
        r2 = (4 * d3 - d2[doubtful]) / 3
        bend = np.maximum(bend[doubtful], np.abs(s2[doubtful] - 4 * s3) / (h / 2))
        values[doubtful] = r2
        kink[doubtful] = ~((np.abs(r2 - r1[doubtful]) <= limit) & (bend <= limit))

    everywhere, kinks = np.full(x.size, np.nan), np.zeros(x.size, dtype=bool)
    everywhere[chosen], kinks[chosen] = values, kink
    return Derivative(everywhere.reshape(x.shape), kinks.reshape(x.shape), h, noise)


@contextmanager
def along(
    call: Callable[[], float], x: Array, directions: Array
) -> Iterator[tuple[Callable[[], float], Array]]:
    """View a function of x as a function of how far x moves along the directions (k, ...).

    Yields the function and the distances (k,), zero at first, to be perturbed in place.  x is restored at the
    end.
    """
    start, distances = x.copy(), np.zeros(len(directions), dtype=x.dtype)

    def moved() -> float:
        x[...] = start + np.tensordot(distances, directions, 1)
        return call()

    try:
        yield moved, distances
    finally:
        x[...] = start


def odd_and_even(change: Callable[[], float], x: Array, entries: Array, h: float) -> tuple[Array, Array]:
    """D(h) and S(h) of the module's docstring for the flat entries named; x is restored."""
    moved = np.empty((2, len(entries)))
    for i, entry in enumerate(entries):
        kept = x.flat[entry]
        try:
            for row, offset in enumerate((h, -h)):
                x.flat[entry] = kept + offset
                moved[row, i] = change()
        finally:
            x.flat[entry] = kept
    return (moved[0] - moved[1]) / (2 * h), moved[0] + moved[1]


def complex_step(imaginary: Callable[[], float], x: Array) -> Array:
    """Differentiate an objective by every entry of x.

    imaginary: the imaginary part of the objective now.  x: complex128, perturbed in place and restored.
    """
    gradient = np.empty(x.shape)
    for entry in range(x.size):
        kept = x.flat[entry]
        x.flat[entry] = kept + COMPLEX_STEP * 1j
        try:
            gradient.flat[entry] = imaginary() / COMPLEX_STEP
        finally:
            x.flat[entry] = kept
    return gradient


def relative_error(
    a: Array, n: Array, counted: Array, resolution: float = 0.0
) -> tuple[float, tuple[int, ...]]:
    """max|a - n| / max(1e-8, max|a|, max|n|, resolution) over the counted entries, and where it is worst.

    resolution: a gradient below it cannot be told from zero.
    """
    if not counted.any():
        return 0.0, ()
    difference = np.where(counted, np.abs(a - n), -1.0)  # the worst is one that was counted
    scale = max(FLOOR, float(np.abs(a[counted]).max()), float(np.abs(n[counted]).max()), resolution)
    worst = tuple(int(i) for i in np.unravel_index(np.argmax(difference), difference.shape))
    return float(difference.max()) / scale, worst
