"""What a backward asks of dout, the textbook ones and the faster ones alike."""

from collections.abc import Callable
from typing import Any

from minicap.arrays.backends import Array, backend_of
from minicap.errors import ShapeError


def check_dout(function: Callable[..., Any], shape: tuple[int, ...], **dout: Array) -> Any:
    """Raise ShapeError unless dout has the shape of the forward's output; return its namespace."""
    (name, array), *_ = dout.items()
    xp = backend_of(**dout).xp
    if array.shape != shape:
        raise ShapeError(f"{function.__name__}: {name} is {array.shape} but the forward's output is {shape}")
    return xp
