"""How a module was made, as JSON values, so that a file can say how to rebuild the model."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

KIND = "model"


@dataclass(frozen=True)
class Made:
    """The arguments a module was made with."""

    args: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


def description(module: Any) -> dict[str, Any] | None:
    """The class of a module and its arguments, which may be modules themselves.

    Classes and functions are given by name alone, with their module where they are not minicap's
    ("shapes.Block"), so the reader must know them.
    None where an argument is anything else, such as an array or a lambda.
    """
    try:
        return _module(module)
    except TypeError:
        return None


def _module(module: Any) -> dict[str, Any]:
    said = {
        "module": _name(type(module)),
        "args": [_value(arg) for arg in module._made.args],
        "options": {name: _value(value) for name, value in module._made.options.items()},
    }
    pairs_own = getattr(module, "options", None)  # may have been changed since
    return said | ({"pair_options": _value(pairs_own)} if isinstance(pairs_own, dict) else {})


def _value(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(getattr(value, "_made", None), Made):
        return _module(value)
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_value(inner) for inner in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _value(inner) for key, inner in value.items()}}
    if is_dataclass(value) and not isinstance(value, type):
        return {
            "name": _name(type(value)),
            "fields": {f.name: _value(getattr(value, f.name)) for f in fields(value)},
        }
    if getattr(value, "__name__", "<lambda>") == "<lambda>":
        raise TypeError(f"{value!r} cannot be described")
    return {"name": _name(value)}


def _name(thing: Any) -> str:
    origin = getattr(thing, "__module__", None) or "?"
    ours = origin.partition(".")[0] == "minicap"
    return thing.__name__ if ours else f"{origin}.{thing.__name__}"
