"""Read JSON and TOML from any source: bounded in size and depth, with numbers that fit and valid text.

Python's own parsers accept more than the formats allow (NaN, numbers of a thousand digits, half characters)
and raise errors of many kinds. Here any content is either a value or a FormatError.
"""

import codecs
import json
import math
import os
import re
import tomllib
from collections import Counter
from collections.abc import Mapping
from typing import Any

from minicap.errors import FormatError, InputError
from minicap.formats.regular import open_regular

_MOST_JSON = 256 * 2**20  # bytes; the JSON of all of COCO's captions takes 144 MB
_MOST_TOML = 64 * 2**10
_DEEPEST = 64
_MOST_DOTS = 200  # in a line of TOML: tomllib takes quadratic time and memory for a.b.c.d...
_HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(path: str | os.PathLike[str], most: int = _MOST_JSON) -> Any:
    """The value in a JSON file of at most `most` bytes, in UTF-8 (with or without byte order mark) or UTF-16.

    Raises InputError when the file cannot be read, else FormatError as `parse_json`.
    """
    return parse_json(read_text(path, most), str(path))


def parse_json(text: str, where: str, unique: bool = False, finite: bool = True) -> Any:
    """The value of a JSON text.  where: named in errors.

    unique: refuse an object with a repeated key.  finite: refuse NaN and Infinity, which are not JSON.
    Raises FormatError for anything but JSON, integers beyond 64 bits, floats beyond float64, values
    nested deeper than 64, and lone surrogates.
    """
    try:
        value = json.loads(
            text,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=_no_constant if finite else None,
            object_pairs_hook=_without_duplicates if unique else None,
        )
        _require_shallow(value)
        if _HALF_CHARACTER.search(text):
            _require_text(value)
    except json.JSONDecodeError as error:
        raise FormatError(f"{where}: not JSON ({error})") from None
    except RecursionError:
        raise FormatError(f"{where}: not JSON that can be used (nested too deeply)") from None
    except ValueError as error:
        raise FormatError(f"{where}: not JSON that can be used ({error})") from None
    return value


def read_toml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of a TOML file.

    Raises InputError when it cannot be read, FormatError when it is not TOML, larger than 64 KiB, nested
    deeper than 64, or has a number beyond 64 bits.
    """
    text = read_text(path, _MOST_TOML)
    try:
        if any(line.count(".") > _MOST_DOTS for line in text.splitlines()):
            raise ValueError(f"a line has more than {_MOST_DOTS} dots")
        value = tomllib.loads(text, parse_float=_float)
        _require_shallow(value)
        _require_small(value)
    except RecursionError:
        raise FormatError(f"{path} is not valid TOML: nested too deeply") from None
    except ValueError as error:
        raise FormatError(f"{path} is not valid TOML: {error}") from None
    return value


def read_text(path: str | os.PathLike[str], most: int) -> str:
    """The text of a file of at most `most` bytes, in UTF-8 (with or without a byte order mark) or UTF-16.

    Raises InputError when it cannot be read, FormatError when it is longer or not text.
    """
    try:
        with open_regular(path) as file:
            data = file.read(most + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    if len(data) > most:
        raise FormatError(f"{path}: longer than {most:,} bytes")
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not text in UTF-8 ({error.reason} at byte {error.start})") from None


def entry(record: Mapping[str, Any], key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """record[key], which must be of this kind: str, int, float (or an integer), list or dict.

    Raises FormatError, beginning with `where`, when it is missing or of another kind.
    """
    if key not in record:
        raise FormatError(f'{where}: the key "{key}" is missing')
    value = record[key]
    kinds = kind if isinstance(kind, tuple) else (kind,)
    if float in kinds and type(value) is int:
        return float(value)
    if type(value) not in kinds:
        wanted = " or ".join(_JSON_TYPES[k] for k in kinds)
        raise FormatError(f'{where}: "{key}" must be {wanted}, not {json_type(value)}')
    return value


_JSON_TYPES = {
    str: "a text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def json_type(value: Any) -> str:
    """The JSON name of the value's type, for messages."""
    return repr(value) if isinstance(value, bool | float) else _JSON_TYPES[type(value)]


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= int(digits) < 2**64:
        raise ValueError(f"the number {_shortened(digits)} does not fit into 64 bits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number) and digits.strip("+-") != "inf":  # which TOML allows
        raise ValueError(f"the number {_shortened(digits)} is too large")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(repeated, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"duplicate key {_shortened(repr(repeated))}")
    return found


def _require_shallow(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
        if not level:
            return
    raise ValueError("nested too deeply")


def _inside(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _require_small(value: Any) -> None:
    """TOML's parser has no hook for integers."""
    if type(value) is int and not -(2**63) <= value < 2**64:
        raise ValueError(f"the number {_shortened(hex(value))} does not fit into 64 bits")
    for inner in _inside(value):
        _require_small(inner)


def _require_text(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a lone surrogate is not text") from None


def _shortened(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
