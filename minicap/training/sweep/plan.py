"""What a sweep tries: the cells of a grid, or a random sample of them, each with several seeds."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import product
from math import exp, log
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicap.errors import InputError
from minicap.formats import from_mapping, read_toml, require_types, toml_value
from minicap.training.fingerprint import digest, settings_fingerprint
from minicap.training.run_config import RunConfig

Tables = dict[str, Any]
Settings = dict[str, Any]  # by table and name: {"training.learning_rate": 0.1}

_LONGEST_NAME = 80  # characters of a folder's name


@dataclass(frozen=True)
class SweepConfig:
    """What a sweep tries: the table [sweep] of its file, whose other tables are those of a config.toml.

    vary: table by table, for each setting a list of values or, in a random search, their range, such as
    {low = 1e-4, high = 0.1, log = true}.
    cells: settings that go together, a table each, perhaps with a name; all are combined with what varies.
    seeds: of training; every cell is trained with each of them.
    samples: how many cells a random search draws; 0 for all of the grid.
    search_seed: seed of the random search.
    """

    vary: dict[str, dict[str, Any]] = field(default_factory=dict)
    cells: tuple[dict[str, Any], ...] = ()
    seeds: tuple[int, ...] = (0,)
    samples: int = 0
    search_seed: int = 0

    def __post_init__(self) -> None:
        require_types(self)
        if not self.seeds or len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise InputError(f"seeds are {list(self.seeds)} but must be different numbers, none negative")
        if min(self.samples, self.search_seed) < 0:
            raise InputError("samples and search_seed must not be negative")


@dataclass(frozen=True)
class _Range:
    """Numbers to draw from, whole ones where both ends are; log: evenly over their logarithms."""

    low: int | float
    high: int | float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and not self.low > 0):
            raise InputError(f"{self.low} to {self.high} is no range{' of logarithms' * self.log}")

    def draw(self, rng: np.random.Generator) -> int | float:
        if isinstance(self.low, int) and isinstance(self.high, int) and not self.log:
            return int(rng.integers(self.low, self.high, endpoint=True))
        ends = (log(self.low), log(self.high)) if self.log else (self.low, self.high)
        value = rng.uniform(*ends)
        value = exp(value) if self.log else value
        return round(value) if isinstance(self.low, int) else float(f"{value:.3g}")


class Cell(NamedTuple):
    """One combination of settings.  columns: those that tell it apart, as texts for a table."""

    settings: Settings
    columns: dict[str, str]

    @property
    def label(self) -> str:
        """The cell in one line."""
        parts = [text if name == "cell" else f"{name}={text}" for name, text in self.columns.items()]
        return ", ".join(parts) or "as configured"


class PlannedRun(NamedTuple):
    """One run of a sweep.  config: all its settings, a RunConfig."""

    cell: Cell
    seed: int
    config: Any

    @property
    def name(self) -> str:
        """The name of its folder, valid on any system; it does not depend on what else the sweep tries."""
        label = self.cell.label.replace(", ", "_")
        plain = re.sub(r"[^A-Za-z0-9.=_+-]", "-", label)[:_LONGEST_NAME]
        return f"{plain}{'' if plain == label else '-' + digest(label)[-6:]}-seed{self.seed}"

    @property
    def fingerprint(self) -> dict[str, str]:
        """All its settings except where its data are."""
        tables = (table.name for table in fields(self.config))
        of_tables = [settings_fingerprint(name, getattr(self.config, name), ["path"]) for name in tables]
        return {name: text for table in of_tables for name, text in table.items()}


def read_sweep(path: Path) -> tuple[SweepConfig, Tables]:
    """The contents of a sweep's file: its table [sweep], and the other tables, as in a config.toml."""
    tables = read_toml(path)
    return from_mapping(SweepConfig, tables.pop("sweep", {}), f"{path} [sweep]"), tables


def plan_runs(kind: type[RunConfig], sweep: SweepConfig, tables: Tables, where: str) -> list[PlannedRun]:
    """Every run of a sweep, cell by cell.

    kind: the class of its application's settings.  tables: the settings that all runs share.
    Raises InputError for settings that are unknown or invalid, and for two cells that are the same.
    """
    cells = _cells(sweep, where)
    for label, count in Counter(cell.label.lower() for cell in cells).items():
        if count > 1:
            raise InputError(f"{where} [sweep]: two cells are called {label!r}; each needs a name of its own")
    runs = [
        PlannedRun(cell, seed, kind.from_tables(_changed(tables, cell, seed, kind), f"{where}, {cell.label}"))
        for cell in cells
        for seed in sweep.seeds
    ]
    if len({run.config.training.monitor for run in runs}) > 1:
        raise InputError(f"{where} [sweep]: the runs have different monitors, so no table can compare them")
    return runs


def _cells(sweep: SweepConfig, where: str) -> list[Cell]:
    named = [_named(cell, f"{where} [sweep] cells") for cell in sweep.cells] or [("", {})]
    axes = _flat(sweep.vary)
    if "training.seed" in axes:
        raise InputError(f"{where} [sweep]: training.seed cannot vary; write seeds = [...] instead")
    varied = list({path: None for _, settings in named for path in settings} | axes)
    if sweep.samples:
        combinations = _drawn(sweep, named, axes, where)
    else:
        lists = [_values(axes[path], path, where) for path in axes]
        combinations = [
            (name, settings | dict(zip(axes, values, strict=True)))
            for name, settings in named
            for values in product(*lists)
        ]
    return [_cell(name, settings, axes, varied) for name, settings in combinations]


def _cell(name: str, settings: Settings, axes: Iterable[str], varied: Sequence[str]) -> Cell:
    """A cell with a name shows it instead of the settings that go with it."""
    shown = [path for path in settings if not name or path in axes]
    short = {path: path.split(".", 1)[1] for path in varied}
    taken = ["cell", *short.values()]  # the first heads the names of cells
    alone = {path for path in varied if taken.count(short[path]) == 1}
    columns = {short[path] if path in alone else path: _text(settings[path]) for path in shown}
    return Cell(settings, ({"cell": name} if name else {}) | columns)


def _drawn(
    sweep: SweepConfig, named: Sequence[tuple[str, Settings]], axes: Settings, where: str
) -> list[tuple[str, Settings]]:
    """Different combinations at random; the first ones are the same for any number of samples."""
    rng = np.random.default_rng(sweep.search_seed)
    found: dict[str, tuple[str, Settings]] = {}
    for _ in range(100 * sweep.samples):
        name, settings = named[int(rng.integers(len(named)))]
        settings = settings | {path: _draw(rng, axes[path], path, where) for path in axes}
        found.setdefault(toml_value([name, settings]), (name, settings))
        if len(found) == sweep.samples:
            return list(found.values())
    raise InputError(f"{where} [sweep]: samples is {sweep.samples} but there are only {len(found)} cells")


def _draw(rng: np.random.Generator, values: Any, path: str, where: str) -> Any:
    if isinstance(values, dict):
        return from_mapping(_Range, values, f"{where} [sweep] vary.{path}").draw(rng)
    choices = _values(values, path, where)
    return choices[rng.integers(len(choices))]


def _values(values: Any, path: str, where: str) -> list[Any]:
    if not isinstance(values, list) or not values:
        ranges = " (a range is for a random search, which needs samples)" if isinstance(values, dict) else ""
        raise InputError(f"{where} [sweep] vary.{path} must be a list of values{ranges}")
    return values


def _named(cell: Mapping[str, Any], where: str) -> tuple[str, Settings]:
    name = cell.get("name", "")
    if not isinstance(name, str):
        raise InputError(f"{where}: the name {name!r} is no text")
    tables = {table: settings for table, settings in cell.items() if table != "name"}
    for table, settings in tables.items():
        if not isinstance(settings, dict):
            raise InputError(
                f"{where}: {table} is no table of settings; write {table}.SETTING = {settings!r}"
            )
    return name, _flat(tables)


def _flat(tables: Mapping[str, Mapping[str, Any]]) -> Settings:
    return {
        f"{table}.{name}": value for table, settings in tables.items() for name, value in settings.items()
    }


def _changed(tables: Tables, cell: Cell, seed: int, kind: type[RunConfig]) -> Tables:
    """The tables with the settings of a cell and a seed."""
    changed = {name: dict(table) if isinstance(table, dict) else table for name, table in tables.items()}
    usual = kind.usual_names()
    # Names first: a cell cannot use the settings of a model other than its own.
    for path, value in sorted(cell.settings.items(), key=lambda item: not item[0].endswith(".name")):
        table, name = path.split(".", 1)
        own = changed.setdefault(table, {})
        if name == "name" and table in usual and own.get("name", usual[table]) != value:
            own.clear()
        own[name] = value
    changed.setdefault("training", {})["seed"] = seed
    return changed


def _text(value: Any) -> str:
    return value if isinstance(value, str) else toml_value(value)
