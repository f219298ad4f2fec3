"""The settings of a run as one dataclass: what every application's config.toml has in common."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self, get_type_hints

from minicap.errors import InputError
from minicap.formats import defaults, from_mapping, read_toml, settings_named, to_toml


@dataclass(frozen=True)
class RunConfig:
    """All settings of a run, as in its config.toml: a field of a subclass is a table.

    application: what the run trains; the first line of the file.
    registries: for tables whose settings depend on their `name`, the dataclasses by name.
    """

    application: ClassVar[str]
    registries: ClassVar[Mapping[str, Mapping[str, type[Any]]]]

    @classmethod
    def tables(cls, **names: str) -> dict[str, type[Any]]:
        """The tables and their dataclasses; those with a registry by these names, or by default.

        Raises InputError for a name that is not in the registry.
        """
        hints, usual = get_type_hints(cls), cls.usual_names() | names
        return {
            table.name: settings_named(cls.registries[table.name], usual[table.name], table.name)
            if table.name in cls.registries
            else hints[table.name]
            for table in fields(cls)
        }

    @classmethod
    def usual_names(cls) -> dict[str, str]:
        """The default name for every table with a registry."""
        usual = defaults(cls)
        return {table: usual[table].name for table in cls.registries}

    @classmethod
    def names_in(cls, values: Mapping[str, Any], where: str) -> dict[str, str]:
        """The name these values choose, for every table with a registry.

        Raises InputError for an unknown table, or the settings of another application.
        """
        known = [table.name for table in fields(cls)]
        application = values.get("application", cls.application)
        if application != cls.application:
            raise InputError(f"{where} holds the settings of a {application}, not of a {cls.application}")
        for name, table in values.items():
            if name != "application" and (name not in known or not isinstance(table, dict)):
                raise InputError(f'{where}: unknown table "{name}"; the tables are {", ".join(known)}')
        usual = cls.usual_names()
        return {table: values.get(table, {}).get("name", usual[table]) for table in cls.registries}

    @classmethod
    def from_tables(cls, values: Mapping[str, Any], where: str) -> Self:
        """Raises InputError for an unknown table or key (naming the nearest), or a value of a wrong type."""
        parts = {
            name: from_mapping(kind, values.get(name, {}), f"{where} [{name}]")
            for name, kind in cls.tables(**cls.names_in(values, where)).items()
        }
        return cls(**parts)

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """From a TOML file."""
        return cls.from_tables(read_toml(path), str(path))

    def to_toml(self) -> str:
        """The text of config.toml."""
        tables = to_toml({table.name: getattr(self, table.name) for table in fields(self)})
        return f'application = "{self.application}"\n\n{tables}'
