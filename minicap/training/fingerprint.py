"""What identifies a run, so that resuming notices when its data or settings have changed."""

import json
from collections.abc import Collection, Mapping
from dataclasses import fields
from hashlib import sha256
from typing import Any

from minicap.formats import toml_value

_DIGEST = "sha256:"


def digest(value: Any) -> str:
    """A short text that stands for a large JSON value and differs for any other."""
    return _DIGEST + sha256(json.dumps(value).encode()).hexdigest()[:16]


def settings_fingerprint(table: str, settings: Any, leave_out: Collection[str] = ()) -> dict[str, str]:
    """The settings of a config dataclass as a fingerprint: {"model.hidden_size": "512"}."""
    return {
        f"{table}.{f.name}": toml_value(getattr(settings, f.name))
        for f in fields(settings)
        if f.name not in leave_out
    }


def changes(before: Any, after: Mapping[str, str]) -> list[str]:
    """What differs between a fingerprint from a file and another, in words."""
    if not isinstance(before, dict):
        return ["its checkpoint has no fingerprint"]
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return [_change(name, before.get(name, "not set"), after.get(name, "not set")) for name in names]


def _change(name: str, before: str, after: str) -> str:
    if before.startswith(_DIGEST) or after.startswith(_DIGEST):
        return f"{name} changed"
    return f"{name} was {before} and is {after}"
