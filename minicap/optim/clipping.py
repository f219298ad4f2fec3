"""Gradient clipping."""

from math import isfinite

from minicap.arrays import Array, backend_of, to_host
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


def clip_global_norm(grads: dict[str, Array], limit: float) -> tuple[dict[str, Array], float]:
    """Scale all gradients by one factor to a global norm of at most limit (Pascanu et al. 2013, algorithm 1).

    Returns the gradients (the given ones when they are short enough) and the norm before clipping.
    Raises InputError for a limit that is not positive.
    """
    if not limit > 0:
        raise InputError(f"clip_global_norm: limit is {limit} but must be positive")
    norm = float(to_host(global_norm(grads)))
    if norm <= limit or not isfinite(norm):
        return grads, norm
    return dict(zip(grads, scale_all(list(grads.values()), limit / norm), strict=True)), norm


def scale_all(grads: list[Array], scale: float) -> list[Array]:
    """Every gradient times the same number."""
    at_once = find_override(scale_all, grads[0], grads, scale)
    return at_once(grads, scale) if at_once else [g * scale for g in grads]
