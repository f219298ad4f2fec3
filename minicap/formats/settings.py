"""Settings as frozen dataclasses, read from and written to TOML, unknown keys refused."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from difflib import get_close_matches
from typing import Any, TypeVar

from minicap.errors import InputError

T = TypeVar("T")


def nearest(name: str, known: Iterable[str]) -> str:
    """' (did you mean "x"?)' for the known name most like this one, or nothing."""
    match = get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f' (did you mean "{match[0]}"?)' if match else ""


def descriptions(kind: type) -> dict[str, str]:
    """What the docstring of a config dataclass says about its settings, as "name: text.  other: text."."""
    sentences = re.findall(r"(?<!\S)(\w+): ([^:]+?)\.(?=\s|$)", kind.__doc__ or "")
    known = {f.name for f in fields(kind)}
    return {name: " ".join(text.split()) for name, text in sentences if name in known}


def from_mapping(kind: type[T], values: Mapping[str, Any], where: str = "configuration") -> T:
    """Build a config dataclass from a mapping.

    Raises InputError naming an unknown key and the nearest known one, or a value of the wrong type.
    """
    defaults = {f.name: f.default for f in fields(kind)}  # type: ignore[arg-type]
    for key, value in values.items():
        if key not in defaults:
            raise InputError(f'{where}: unknown key "{key}"{nearest(key, defaults)}')
        expected = type(defaults[key])
        if expected is float and type(value) is int:
            continue
        if type(value) is not expected:
            raise InputError(
                f'{where}: "{key}" is {value!r}, a {type(value).__name__}, but must be {expected.__name__}'
            )
    return kind(**{k: float(v) if type(defaults[k]) is float else v for k, v in values.items()})


def to_toml(tables: Mapping[str, Any]) -> str:
    """TOML text of config dataclasses, a table each."""
    blocks = (
        "\n".join([f"[{name}]", *(f"{k} = {_toml(v)}" for k, v in asdict(table).items())])
        for name, table in tables.items()
    )
    return "\n\n".join(blocks) + "\n"


def _toml(value: str | int | float | bool) -> str:
    if isinstance(value, float):
        return repr(value)  # inf is "inf" in TOML, "Infinity" in JSON
    # Else as in JSON, but that TOML knows no surrogate pairs and no bare DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
