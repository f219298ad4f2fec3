"""Gradient-check cases as data: what to feed a layer, and how to stay away from its kinks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array
from minicap.errors import InputError

Inputs = dict[str, Any]


class Case(NamedTuple):
    """One way to check one layer.

    layer: a pair's name without its suffix ("conv"), or a loss's full name ("softmax_loss").
    variant: distinguishes several cases of a layer.
    make: draws the keyword arguments of the forward; a *parameter gets a list.  Every float array among them
    is differentiated, except those named in fixed (targets, masks, running statistics).
    smooth: False when the layer has kinks, which rules out the complex step.
    directions: for large arrays, along how many random directions to measure instead of entry by entry.
    """

    layer: str
    variant: str
    make: Callable[[np.random.Generator], Inputs]
    fixed: tuple[str, ...] = ()
    smooth: bool = True
    directions: int = 0


CASES: list[Case] = []


def case(
    layer: str, variant: str = "", *, fixed: tuple[str, ...] = (), smooth: bool = True, directions: int = 0
) -> Callable[[Callable[[np.random.Generator], Inputs]], Callable[[np.random.Generator], Inputs]]:
    """Register the decorated function as a case.  Raises InputError for a second one of that name."""

    def register(make: Callable[[np.random.Generator], Inputs]) -> Callable[[np.random.Generator], Inputs]:
        if any(c.layer == layer and c.variant == variant for c in CASES):
            raise InputError(f"there is already a gradient-check case {layer!r} {variant!r}")
        CASES.append(Case(layer, variant, make, fixed, smooth, directions))
        return make

    return register


def away_from_zero(rng: np.random.Generator, shape: tuple[int, ...], gap: float = 0.1) -> Array:
    """Normal numbers on both sides of zero, at least gap away from it."""
    x = rng.normal(size=shape)
    return x + np.copysign(gap, x)


def distinct(rng: np.random.Generator, shape: tuple[int, ...], step: float = 0.1) -> Array:
    """Shuffled values, any two at least step apart, so that a maximum is never a tie."""
    size = int(np.prod(shape))
    return rng.permutation(size).reshape(shape) * step - size * step / 2


def distinct_in_windows(rng: np.random.Generator, shape: tuple[int, ...], size: int) -> Array:
    """Images whose entries are distinct within every window of up to size x size, however many there are.

    Entry (i, j) is on the rung of (i mod size, j mod size) of a shuffled ladder, give or take a quarter of a
    step of 1; no entry is nearer to zero than that.
    """
    rungs = rng.permutation(size * size).reshape(size, size) - size * size / 2 + 0.5
    rungs = rungs + (rungs.size % 2) / 2  # zero lies between two of them
    rows, columns = (np.arange(n) % size for n in shape[-2:])
    return np.asarray(rungs[np.ix_(rows, columns)] + rng.uniform(-0.25, 0.25, size=shape))
