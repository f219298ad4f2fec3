"""What the recurrent layers share: the product with all inputs, and steps that a mask leaves out.

Inside, time is the first axis, (T, N, ...), so that each step is one contiguous block.
"""

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


def time_first(x: Array) -> Array:
    """(N, T, ...) to (T, N, ...) or back, as a view."""
    return x.swapaxes(0, 1)


def input_product(x: Array, Wx: Array, b: Array) -> Array:
    """x[n, t] Wx + b for all steps in one product.  x: (N, T, D).  Returns (T, N, G)."""
    N, T, D = x.shape
    return (time_first(x).reshape(T * N, D) @ Wx + b).reshape(T, N, -1)


def input_gradients(da: Array, x: Array, Wx: Array) -> tuple[Array, Array, Array]:
    """Gradients of input_product.  da: (T, N, G).  Returns dx (N, T, D), dWx, db."""
    N, T, D = x.shape
    da = da.reshape(T * N, -1)
    dx = time_first((da @ Wx.T).reshape(T, N, D))
    dWx = time_first(x).reshape(T * N, D).T @ da
    return dx, dWx, da.sum(axis=0)


def recurrent_gradient(h: Array, da: Array) -> Array:
    """dWh of the products h[t] Wh of all steps.  h: (T, N, H).  da: (T, N, G).  Returns (H, G)."""
    T, N, H = h.shape
    return h.reshape(T * N, H).T @ da.reshape(T * N, -1)


def step_masks(function: Callable[..., Any], mask: Array | None, x: Array) -> Any:
    """The mask (N, T) as one factor (N, 1) a step, or None for every step.  Raises as check_mask does."""
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
