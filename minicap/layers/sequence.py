"""What the recurrent layers share: blocks of gates, and steps that a mask skips."""

from collections.abc import Callable
from typing import Any

from minicap.arrays import Array
from minicap.layers.checks import check, check_mask, shape_error


def check_recurrent(function: Callable[..., Any], gates: int, **arguments: tuple[Any, str]) -> Any:
    """`check`, and that Wh is (H, gates * H)."""
    xp = check(function, **arguments)
    Wh = arguments["Wh"][0]
    if Wh.shape[1] != gates * len(Wh):
        raise shape_error(
            function,
            f"Wh must be ({len(Wh)}, {gates * len(Wh)}): H rows and {gates} x H columns",
            Wh=Wh,
        )
    return xp


def blocks(a: Array, count: int) -> list[Array]:
    """Views of the blocks along the last axis, one for each gate."""
    H = a.shape[-1] // count
    return [a[..., k * H : (k + 1) * H] for k in range(count)]


def step_masks(function: Callable[..., Any], mask: Array | None, x: Array) -> Any:
    """The mask (N, T) as one factor (N, 1) per step, or None for every step.  Raises as check_mask does."""
    N, T = x.shape[:2]
    if mask is None:
        return [None] * T
    return check_mask(function, mask, (N, T), x).T[:, :, None]


def carry(mask: Array | None, new: Array, old: Array) -> Array:
    """The new state where the mask is 1, the old one unchanged where it is 0."""
    return new if mask is None else mask * new + (1 - mask) * old


def carry_gradients(mask: Array | None, dstate: Array) -> tuple[Array, Any]:
    """Gradients of carry with respect to the new and the old state."""
    return (dstate, 0) if mask is None else (mask * dstate, (1 - mask) * dstate)
