"""Settings on the command line: a flag for every field of the dataclasses of an application's settings."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from minicap.errors import InputError
from minicap.formats import allowed, defaults, descriptions, parse, read_toml, toml_value
from minicap.training import MAY_CHANGE, RunConfig

Tables = dict[str, dict[str, Any]]

BESIDES = ("path", "name", "start")  # settings that are no flags of their own


def add_settings(
    parser: argparse.ArgumentParser, tables: Mapping[str, type], names: Mapping[str, str]
) -> None:
    """Add a flag for every setting of the tables but BESIDES; a flag that is not given is None.

    names: the name chosen, for each table that has a choice.
    """
    for table, kind in tables.items():
        texts, usual = descriptions(kind), defaults(kind)
        of = f" of {names[table]}" if table in names else ""
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


def add_named_settings(parser: argparse.ArgumentParser, config: type[RunConfig], argv: Sequence[str]) -> None:
    """A flag for every setting.  Which there are depends on the model, or the like, that argv names."""
    for table, registry in config.registries.items():
        default = config.usual_names()[table]
        parser.add_argument(f"--{table}", metavar="NAME", help=f"{', '.join(registry)} (default: {default})")
    flags = _peek(argv, config.registries)
    names = config.names_in(*settings_file(argv)) | {name: value for name, value in flags.items() if value}
    parser.set_defaults(names=names)
    add_settings(parser, config.tables(**names), names)


def settings_file(argv: Sequence[str]) -> tuple[dict[str, Any], str]:
    """The settings in the file that --config or --resume gives, and its path; both empty without one."""
    found = _peek(argv, ("config", "resume"))
    path = found["config"] or (found["resume"] and Path(found["resume"]) / "config.toml")
    return (read_toml(path) if path and Path(path).is_file() else {}), str(path)


def given_tables(config: type[RunConfig], args: argparse.Namespace) -> Tables:
    """The tables of --config, overridden by the flags.

    Raises InputError for a mistake in the file.
    """
    values, where = (read_toml(args.config) if args.config else {}), str(args.config)
    config.from_tables(values, where)  # mistakes in the file are told apart from those of flags
    in_file = config.names_in(values, where)
    tables = {}
    for table, given in _flags_given(config, args).items():
        # Where the flags ask for another model, the file's settings do not apply to it.
        kept = values.get(table, {}) if in_file.get(table) == args.names.get(table) else {}
        tables[table] = {**kept, **given}
    return tables


def resumed_config(config: type[RunConfig], args: argparse.Namespace) -> Any:
    """The settings of the run that --resume names, with the changes by flags that it allows."""
    file = args.resume / "config.toml"
    if not file.is_file():
        raise InputError(f"{args.resume} is not a run folder: it has no config.toml")
    before = config.read(file)
    tables = {table.name: asdict(getattr(before, table.name)) for table in fields(before)}
    for table, given in _flags_given(config, args).items():
        for name, value in given.items():
            if not (table == "training" and name in MAY_CHANGE) and tables[table].get(name) != value:
                flag = table if name == "name" else name.replace("_", "-")
                raise InputError(f"--{flag} cannot change when a run is resumed")
            tables[table][name] = value
    return config.from_tables(tables, "config.toml")


def _flags_given(config: type[RunConfig], args: argparse.Namespace) -> Tables:
    """What the flags say, table by table, including the names that make a choice."""
    return {
        table: _name_given(config, args, table) | given_settings(args, kind)
        for table, kind in config.tables(**args.names).items()
    }


def _name_given(config: type[RunConfig], args: argparse.Namespace, table: str) -> dict[str, str]:
    name = getattr(args, table) if table in config.registries else None
    return {"name": name} if name else {}


def _peek(argv: Sequence[str], flags: Iterable[str]) -> dict[str, Any]:
    """The values of some flags, before it is known which others there are."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in flags:
        parser.add_argument(f"--{flag}", nargs="?")
    return vars(parser.parse_known_args(argv)[0])


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
