"""Gradient-check cases as data: what to feed a layer, and how to stay away from its kinks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array
from minicap.errors import InputError

Inputs = dict[str, Any]


class Case(NamedTuple):
    """One way to check one layer.

    layer: a pair's name without its ending ("conv"), or a loss's full name ("softmax_loss").
    variant: tells several cases of a layer apart.
    make: draws the keyword arguments of the forward; a *parameter gets a list.  Every float array among them
    is differentiated but those named in fixed (targets, masks, running statistics).
    smooth: False when the layer has kinks, so that complex-step differentiation must leave it alone.
    """

    layer: str
    variant: str
    make: Callable[[np.random.Generator], Inputs]
    fixed: tuple[str, ...] = ()
    smooth: bool = True


CASES: list[Case] = []


def case(
    layer: str, variant: str = "", *, fixed: tuple[str, ...] = (), smooth: bool = True
) -> Callable[[Callable[[np.random.Generator], Inputs]], Callable[[np.random.Generator], Inputs]]:
    """Register the decorated function as a case.  Raises InputError for a second one of that name."""

    def register(make: Callable[[np.random.Generator], Inputs]) -> Callable[[np.random.Generator], Inputs]:
        if any(c.layer == layer and c.variant == variant for c in CASES):
            raise InputError(f"there is a gradient-check case {layer!r} {variant!r} already")
        CASES.append(Case(layer, variant, make, fixed, smooth))
        return make

    return register


def away_from_zero(rng: np.random.Generator, shape: tuple[int, ...], gap: float = 0.1) -> Array:
    """Normal numbers on both sides of zero, none nearer to it than gap."""
    x = rng.normal(size=shape)
    return x + np.copysign(gap, x)


def distinct(rng: np.random.Generator, shape: tuple[int, ...], step: float = 0.1) -> Array:
    """A shuffled ladder of values, any two at least step apart, so that a maximum is never a tie."""
    size = int(np.prod(shape))
    return rng.permutation(size).reshape(shape) * step - size * step / 2
