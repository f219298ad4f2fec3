"""Gradient clipping."""

from math import isfinite
from typing import Any

from minicap.arrays import Array, backend_of, is_late
from minicap.arrays.dispatch import find_override
from minicap.errors import InputError


def global_norm(grads: dict[str, Array]) -> Array:
    """The length of all gradients as one vector, a 0-d array.  Raises InputError when there are none."""
    if not grads:
        raise InputError("global_norm: there are no gradients")
    arrays, xp = list(grads.values()), backend_of(**grads).xp
    at_once = find_override(global_norm, arrays[0], arrays)
    if at_once:
        return at_once(arrays)
    return xp.sqrt(sum(g.ravel() @ g.ravel() for g in grads.values()))


def clip_global_norm(grads: dict[str, Array], limit: float) -> tuple[dict[str, Array], Any]:
    """Scale all gradients by one factor to a global norm of at most limit (Pascanu et al. 2013, algorithm 1).

    Returns the gradients and the norm before clipping.  On the host that is a float, and gradients that are
    short enough are the given ones; on a device it is a 0-d array that nothing has waited for.
    Gradients whose norm is not finite keep their values.
    Raises InputError for a limit that is not positive.
    """
    if not limit > 0:
        raise InputError(f"clip_global_norm: limit is {limit} but must be positive")
    norm = global_norm(grads)
    if is_late(norm):
        return dict(zip(grads, shorten_all(list(grads.values()), norm, limit), strict=True)), norm
    length = float(norm)
    if length <= limit or not isfinite(length):
        return grads, length
    return {name: g * (limit / length) for name, g in grads.items()}, length


def shorten_all(grads: list[Array], norm: Array, limit: float) -> list[Array]:
    """Every gradient times limit / norm where the norm is larger, and finite.  norm: a 0-d array."""
    at_once = find_override(shorten_all, grads[0], grads, norm, limit)
    if at_once:
        return at_once(grads, norm, limit)
    xp = backend_of(norm=norm).xp
    scale = limit / norm
    scale = xp.where((scale > 0) & (scale < 1), scale, xp.ones_like(scale))
    return [g * scale for g in grads]
