"""A sweep whose runs take a moment, and whose functions other processes can import."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from training.toy import Points, make_model

from minicap.training import RunConfig, RunFolder, Trainer, TrainingConfig
from minicap.training.sweep import PlannedRun, SweepConfig, plan_runs


@dataclass(frozen=True)
class DataConfig:
    """path: a folder.  shards: nothing."""

    path: str = ""
    shards: int = 0


@dataclass(frozen=True)
class Narrow:
    """name: narrow.  width: nothing."""

    name: str = "narrow"
    width: int = 2


@dataclass(frozen=True)
class Deep:
    """name: deep.  width: nothing."""

    name: str = "deep"
    width: int = 8


@dataclass(frozen=True)
class SmallRunConfig(RunConfig):
    application: ClassVar[str] = "small"
    registries: ClassVar[Mapping[str, Mapping[str, type[Any]]]] = {"model": {"narrow": Narrow, "deep": Deep}}
    data: DataConfig = field(default_factory=DataConfig)
    model: Any = field(default_factory=Narrow)
    training: TrainingConfig = field(default_factory=TrainingConfig)


def make_plan(sweep: SweepConfig, tables: dict[str, Any]) -> list[PlannedRun]:
    return plan_runs(SmallRunConfig, sweep, tables, "my.toml")


def open_trainer(config: SmallRunConfig, run: RunFolder) -> Trainer:
    """A trainer of a toy.  width 66 is a mistake of ours, 77 the end of its process."""
    if config.model.width == 66:
        raise ZeroDivisionError("by width 66")
    if config.model.width == 77:
        os._exit(1)
    return Trainer(make_model(config.training.seed), Points(40), config.training, run, Points(20, seed=1))


def files_of(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
