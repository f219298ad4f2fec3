"""Which code answers for a layer, and why."""

import inspect
from collections.abc import Callable
from typing import Any

from minicap.arrays.backends import FASTER_PAIRS, find_backend
from minicap.arrays.dispatch import find_override, overrides_of
from minicap.arrays.pins import edited
from minicap.errors import InputError


class Explanation(str):
    """Text that a console or a notebook shows without quotes."""

    __repr__ = str.__str__


def explain(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Explanation:
    """Say which code answers when a layer or a loss of minicap is called, on each backend, and why.

    function: a forward, a backward or a loss, such as minicap.layers.conv_forward.
    args, kwargs: arguments of a forward or a loss, to say what answers for these as well.
    Raises InputError for a function that no backend may replace, and for arguments it does not take.
    """
    if not hasattr(function, "textbook"):
        name = getattr(function, "__name__", repr(function))
        raise InputError(f"explain: {name} is not one of minicap's layers; try minicap.layers.conv_forward")
    body = function.textbook
    name = function.__name__.replace("_backward", "_forward")
    forward = body.__globals__.get(name, function)
    changed = edited(forward)
    lines = [_place(body)]
    for backend, module in FASTER_PAIRS.items():
        pairs = [override.forward for override in overrides_of(module).get(name, ())]
        if not pairs:
            lines.append(f"  {backend}: this text; there is no faster pair")
        elif changed:
            lines.append(
                f"  {backend}: this text; its faster pair was written for another {', '.join(changed)}"
            )
        else:
            lines.append(f"  {backend}: the first of these that takes the arguments, else this text")
            lines += [f"    {_place(pair)}" for pair in pairs]
    if args or kwargs:
        if forward is not function:
            raise InputError(f"explain: {function.__name__} follows {name}; give the arguments of that")
        try:
            inspect.signature(body).bind(*args, **kwargs)
        except TypeError as error:
            raise InputError(f"explain: {name}: {error}") from None
        owner = args[0] if args else next(iter(kwargs.values()))
        found = find_override(forward, owner, *args, **kwargs) if find_backend(owner) else None
        lines.append(f"  with these arguments: {_place(found) if found else 'this text'}")
    return Explanation("\n".join(lines))


def _place(function: Callable[..., Any]) -> str:
    """conv_forward in minicap/layers/conv.py, line 27."""
    code = inspect.unwrap(function).__code__
    return f"{function.__name__} in {function.__module__.replace('.', '/')}.py, line {code.co_firstlineno}"
