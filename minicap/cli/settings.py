"""Settings on the command line: a flag for every field of the dataclasses of an application's settings."""

import argparse
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

from minicap.formats import allowed, defaults, descriptions, parse, toml_value

BESIDES = ("path", "name", "start")  # settings that are no flags of their own


def add_settings(parser: argparse.ArgumentParser, tables: Mapping[str, type]) -> None:
    """Add a flag for every setting of the tables but BESIDES; of a flag that is not given None is left."""
    for table, kind in tables.items():
        texts, usual = descriptions(kind), defaults(kind)
        of = f" of {usual['name']}" if "name" in usual else ""
        group = parser.add_argument_group(f"[{table}] settings{of}")
        for name, hint in _hints(kind).items():
            group.add_argument(
                _flag(name),
                metavar=_metavar(hint),
                help=f"{texts[name]} (default: {_shown(usual[name])})".replace("%", "%%"),
            )


def given_settings(args: argparse.Namespace, kind: type) -> dict[str, Any]:
    """The settings that were given as flags.  Raises InputError for a value of the wrong type."""
    given = {name: (hint, getattr(args, name, None)) for name, hint in _hints(kind).items()}
    return {name: parse(hint, text, _flag(name)) for name, (hint, text) in given.items() if text is not None}


def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind) if f.name not in BESIDES}


def _metavar(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "{" + ",".join(map(str, get_args(hint))) + "}"
    return "KEY=VALUE,..." if get_origin(hint) is dict else allowed(hint).split()[-1].upper()


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else toml_value(value).strip('{}[]"') or "none"
