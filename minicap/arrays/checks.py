"""Checks that textbook bodies and faster pairs share."""

from collections.abc import Callable
from typing import Any

from minicap.arrays.backends import Array, backend_of
from minicap.errors import BackendMismatch, ShapeError


def require_arrays(function: Callable[..., Any], **arrays: Any) -> Any:
    """The namespace of arrays that must all be given.

    Raises BackendMismatch when backends are mixed or a value is None or no array.
    """
    for name, array in arrays.items():
        if array is None:
            raise BackendMismatch(f"{function.__name__}: {name} is None but must be an array")
    return backend_of(**arrays).xp


def check_dout(function: Callable[..., Any], shape: tuple[int, ...], **dout: Array) -> Any:
    """Raise ShapeError unless dout has the shape of the forward's output; return its namespace."""
    (name, array), *_ = dout.items()
    xp = require_arrays(function, **dout)
    if array.shape != shape:
        raise ShapeError(f"{function.__name__}: {name} is {array.shape} but the forward's output is {shape}")
    return xp
