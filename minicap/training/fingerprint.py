"""What identifies a run, so that resuming notices when its data or settings have changed."""

import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from hashlib import sha256
from typing import Any

from minicap.formats import defaults, toml_value

_DIGEST = "sha256:"
_DEFAULT = " (default)"  # behind the value of a setting


def digest(value: Any) -> str:
    """A short text that stands for a large JSON value and differs for any other."""
    return _DIGEST + sha256(json.dumps(value).encode()).hexdigest()[:16]


def settings_fingerprint(table: str, settings: Any, leave_out: Collection[str] = ()) -> dict[str, str]:
    """The settings of a config dataclass as a fingerprint: {"model.hidden_size": "512 (default)"}."""
    usual, found = defaults(type(settings)), {}
    for name in (f.name for f in fields(settings) if f.name not in leave_out):
        value = getattr(settings, name)
        is_default = name in usual and value == usual[name]
        found[f"{table}.{name}"] = toml_value(value) + (_DEFAULT if is_default else "")
    return found


def changes(before: Any, after: Mapping[str, str]) -> list[str]:
    """What differs between a fingerprint from a file and another, in words.

    A setting that the file does not know, written by an older minicap, has not changed if it is the default.
    """
    if not isinstance(before, dict):
        return ["its checkpoint has no fingerprint"]
    known = {name: text for name, text in after.items() if name in before or not text.endswith(_DEFAULT)}
    was, now = (
        {name: text.removesuffix(_DEFAULT) for name, text in texts.items()} for texts in (before, known)
    )
    names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
    return [_change(name, was.get(name, "not set"), now.get(name, "not set")) for name in names]


def _change(name: str, before: str, after: str) -> str:
    if before.startswith(_DIGEST) or after.startswith(_DIGEST):
        return f"{name} changed"
    return f"{name} was {before} and is {after}"
