"""Check one layer or loss: measure its derivatives from the forward, then judge the gradients it gives."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicap.errors import InputError
from minicap.gradcheck.case import Inputs
from minicap.gradcheck.judge import failure, judge
from minicap.gradcheck.measure import measure
from minicap.gradcheck.report import Report
from minicap.gradcheck.subject import Misfit, Subject


def check_subject(subject: Subject, seed: int = 0) -> Report:
    """Measure and judge; whatever goes wrong becomes a row."""
    try:
        reference = measure(subject, seed)
    except Misfit as misfit:
        return Report([failure(subject, str(misfit))])
    return Report(judge(subject, reference))


def check_pair(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Inputs,
    fixed: tuple[str, ...] = (),
    *,
    smooth: bool = False,
    float32: bool = False,
    directions: int = 0,
    seed: int = 0,
    name: str = "",
) -> Report:
    """Check your own pair  out, cache = forward(**inputs);  dx, dw, ... = backward(dout, cache).

    inputs: the forward's arguments by name.  Every float array among them, also one without axes or inside a
    list, must get a gradient, in the order of the forward's signature, except those named in fixed.  An
    argument that is None may get None.  With several outputs: forward returns (out1, out2, cache) and
    backward takes (dout1, dout2, cache).
    smooth: also judge by the complex step (the forward must accept complex arrays).
    float32: also check that float32 inputs give float32 gradients.
    directions: measure each array along so many random directions instead of entry by entry, where it is
    large; two or three reveal a wrong entry anywhere, though not which one.
    name: of the rows; by default the forward's own without its suffix "_forward".
    Returns a Report: it prints as a table, and its `passed` is True or False.
    Raises InputError for arguments of check_pair itself that cannot be used.
    """
    _require("check_pair", inputs, fixed, directions, forward=forward, backward=backward)
    label = name or _name_of(forward, "pair")
    return check_subject(
        Subject(label, "", forward, backward, inputs, fixed, smooth, float32, directions), seed
    )


def check_loss(
    loss: Callable[..., Any],
    inputs: Inputs,
    fixed: tuple[str, ...] = (),
    *,
    smooth: bool = False,
    float32: bool = False,
    directions: int = 0,
    name: str = "",
) -> Report:
    """Check your own loss  value, dscores, ... = loss(**inputs)  as check_pair checks a pair.

    The gradients are those of the value itself (of the sum of the values when it is an array).
    Raises as check_pair.
    """
    _require("check_loss", inputs, fixed, directions, loss=loss)
    label = name or _name_of(loss, "loss")
    return check_subject(Subject(label, "", loss, None, inputs, fixed, smooth, float32, directions))


def _require(caller: str, inputs: Any, fixed: Any, directions: Any, **functions: Any) -> None:
    """Raise InputError unless functions are callable, inputs a dict, and fixed names some of them."""
    for name, function in functions.items():
        if not callable(function):
            raise InputError(f"{caller}: {name} is {function!r} but must be a function")
    if not isinstance(inputs, dict):
        raise InputError(
            f"{caller}: inputs is a {type(inputs).__name__}; give the arguments by name, {{'x': x}}"
        )
    if isinstance(fixed, str) or not set(fixed) <= set(inputs):
        raise InputError(
            f"{caller}: fixed is {fixed!r} but must name some of {', '.join(inputs)}, as ('y',) does"
        )
    if not isinstance(directions, (int, np.integer)) or directions < 0:
        raise InputError(f"{caller}: directions is {directions!r} but must be a whole number, at least 0")


def _name_of(function: Callable[..., Any], otherwise: str) -> str:
    """A function's name without "_forward"; the other text for a lambda or an object without a name."""
    name: str = getattr(function, "__name__", "<object>").removesuffix("_forward")
    return otherwise if name.startswith("<") else name
