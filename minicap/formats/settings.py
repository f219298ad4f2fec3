"""Settings as frozen dataclasses, read from TOML, JSON or the command line and written to TOML.

The type hints say what a setting may be: bool, int, float, str, a choice (Literal), a tuple of these,
"or none" (int | None), options by name (dict), another dataclass.  Anything else is refused, and so are
unknown keys.
"""

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from difflib import get_close_matches
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np

from minicap.errors import InputError

T = TypeVar("T")
NONE = "none"  # how TOML and the command line, which have no None, write it


def nearest(name: str, known: Iterable[str]) -> str:
    """' (did you mean "x"?)' for the most similar known name, or an empty text."""
    match = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f' (did you mean "{match[0]}"?)' if match else ""


def descriptions(kind: type) -> dict[str, str]:
    """What the docstring of a config dataclass says about its settings, as "name: text.  other: text.".

    A setting stands at the beginning of a line or two spaces after a full stop; its first sentence counts.
    """
    names = "|".join(f.name for f in fields(kind))
    _, *parts = re.split(rf"(?:^ *|(?<=\.  ))({names}): ", kind.__doc__ or "", flags=re.MULTILINE)
    sentences = [re.split(r"\.(?:\s|$)", text)[0] for text in parts[1::2]]
    return {name: " ".join(text.split()) for name, text in zip(parts[::2], sentences, strict=True)}


def defaults(kind: type) -> dict[str, Any]:
    """The settings of a config dataclass that have defaults, with these."""
    return {
        f.name: f.default if f.default_factory is MISSING else f.default_factory()
        for f in fields(kind)
        if f.default is not MISSING or f.default_factory is not MISSING
    }


def from_mapping(kind: type[T], values: Mapping[str, Any], where: str = "configuration") -> T:
    """Build a config dataclass from a mapping.

    Raises InputError naming an unknown key and the nearest known one, a missing key, or a value of the wrong
    type with what is allowed.
    """
    types = get_type_hints(kind)
    hints = {f.name: types[f.name] for f in fields(kind)}  # type: ignore[arg-type]
    given = checked(hints, values, where)
    if missing := sorted(set(hints) - set(given) - set(defaults(kind))):
        raise InputError(f'{where}: "{missing[0]}" is missing')
    return kind(**given)


def require_types(settings: Any) -> None:
    """Raise InputError for a field of a config dataclass that is not of its type.

    For objects made in Python: files and flags are checked when read.  NumPy's scalars count as numbers.
    """
    types = get_type_hints(type(settings))
    values = {f.name: getattr(settings, f.name) for f in fields(settings)}
    plain = {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}
    checked({name: types[name] for name in plain}, plain, type(settings).__name__)


def settings_named(kinds: Mapping[str, type[Any]], name: Any, what: str) -> type[Any]:
    """The config dataclass of that name.  Raises InputError naming the nearest known one."""
    if not isinstance(name, str) or name not in kinds:
        raise InputError(f"unknown {what} {name!r}{nearest(str(name), kinds)}; known: {', '.join(kinds)}")
    return kinds[name]


def from_named(kinds: Mapping[str, type[Any]], values: Mapping[str, Any], what: str, where: str) -> Any:
    """Build the config dataclass that values["name"] chooses.

    Raises InputError for an unknown name, and as from_mapping.
    """
    return from_mapping(settings_named(kinds, values["name"], what), values, where)


def checked(hints: Mapping[str, Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values converted to their type hints: lists to tuples, whole numbers to floats.

    Raises InputError naming an unknown key or a value of the wrong type.
    """
    for key in values:
        if key not in hints:
            raise InputError(f'{where}: unknown key "{key}"{nearest(key, hints)}')
    return {key: _checked(hints[key], value, where, f'"{key}"') for key, value in values.items()}


def options_of(function: Callable[..., Any], values: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The values as keyword arguments of a function or class, by the type hints of its optional arguments.

    Raises InputError as `checked`.
    """
    arguments = signature(function, eval_str=True).parameters.values()
    hints = {a.name: a.annotation for a in arguments if a.default is not Parameter.empty}
    return checked(hints, values, where)


def _checked(hint: Any, value: Any, where: str, name: str) -> Any:
    kinds = _alternatives(hint)
    if NoneType in kinds and (value is None or value == NONE):
        return None
    for kind in kinds:
        origin = get_origin(kind)
        if kind is Any or type(value) is kind or (origin is Literal and value in get_args(kind)):
            return value
        if origin is dict and type(value) is dict:
            return checked(dict.fromkeys(value, get_args(kind)[1]), value, f"{where} {name}")
        if origin is tuple and isinstance(value, (list, tuple)):
            inner = _inner_hints(kind, len(value))
            if len(inner) == len(value):
                parts = zip(inner, value, strict=True)
                return tuple(_checked(h, v, where, f"{name}[{i}]") for i, (h, v) in enumerate(parts))
        if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, dict):
            return from_mapping(kind, value, f"{where} {name}")
    if float in kinds and type(value) is int:
        return float(value)
    found = f"{value!r}" if any(get_origin(k) is Literal for k in kinds) else _shown_with_type(value)
    raise InputError(f"{where}: {name} is {found} but must be {allowed(hint)}")


def allowed(hint: Any) -> str:
    """What a setting of this type may be, in words."""
    names = []
    for kind in _alternatives(hint):
        arguments = get_args(kind)
        if get_origin(kind) is Literal:
            names.append("one of " + ", ".join(str(choice) for choice in arguments))
        elif get_origin(kind) is tuple:
            several = arguments[-1] is ...
            inner = [arguments[0]] if several else list(arguments)
            names.append(f"a list of {'' if several else f'{len(inner)}: '}{', '.join(map(allowed, inner))}")
        elif get_origin(kind) is dict or is_dataclass(kind):
            names.append("a table")
        else:
            names.append(NONE if kind is NoneType else kind.__name__)
    return " or ".join(names)


def parse(hint: Any, text: str, where: str) -> Any:
    """A setting from the command line, where lists are "64,128", tables "momentum=0.8, ..." as within TOML's
    braces, and None is "none".

    Raises InputError when it cannot be of that type.
    """
    kinds = _alternatives(hint)
    if NoneType in kinds and text == NONE:
        return None
    for kind in kinds:
        if kind is str or (get_origin(kind) is Literal and text in get_args(kind)):
            return text
        if get_origin(kind) is tuple and not text.startswith("["):
            parts = [part.strip() for part in text.split(",")] if text else []
            inner = _inner_hints(kind, len(parts))
            if len(inner) == len(parts):
                return tuple(parse(h, part, where) for h, part in zip(inner, parts, strict=True))
        is_table = get_origin(kind) is dict or is_dataclass(kind)
        try:
            if kind in (int, float):
                return kind(text)
            value = tomllib.loads(f"value = {{{text}}}" if is_table else f"value = {text}")
            return checked({"value": kind}, value, where)["value"]
        except (ValueError, RecursionError):  # not of this type
            continue
    raise InputError(f"{where} is {text!r} but must be {allowed(hint)}")


def to_toml(tables: Mapping[str, Any]) -> str:
    """TOML text of config dataclasses, one table each."""
    blocks = (
        "\n".join([f"[{name}]", *(f"{f.name} = {toml_value(getattr(table, f.name))}" for f in fields(table))])
        for name, table in tables.items()
    )
    return "\n\n".join(blocks) + "\n"


def toml_value(value: Any) -> str:
    """One setting as TOML; of a nested dataclass, what differs from its defaults."""
    if value is None:
        return json.dumps(NONE)
    if isinstance(value, float):
        return repr(value)  # inf is "inf" in TOML, "Infinity" in JSON
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if is_dataclass(value) and not isinstance(value, type):
        usual = defaults(type(value))
        said = {f.name: getattr(value, f.name) for f in fields(value)}
        value = {name: v for name, v in said.items() if name not in usual or usual[name] != v}
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(k)} = {toml_value(v)}" for k, v in value.items()) + "}"
    # Otherwise as in JSON, except that TOML has no surrogate pairs and no bare DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else toml_value(name)


def _alternatives(hint: Any) -> list[Any]:
    """The types a value may be of: the members of a union, or the one."""
    return list(get_args(hint)) if get_origin(hint) in (Union, UnionType) else [hint]


def _inner_hints(kind: Any, count: int) -> list[Any]:
    """The hints of the entries of a tuple type: tuple[int, ...] has as many as there are values."""
    arguments = get_args(kind)
    return [arguments[0]] * count if arguments[-1] is ... else list(arguments)


def _shown_with_type(value: Any) -> str:
    kind = type(value).__name__
    return f"{value!r}, {'an' if kind[0] in 'aeiou' else 'a'} {kind},"
