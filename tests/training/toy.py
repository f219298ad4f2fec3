"""A training run that takes a moment, for the tests of training."""

from pathlib import Path
from typing import Any

import numpy as np

from minicap.arrays.random import RandomStream
from minicap.formats import load_checkpoint
from minicap.nn import Affine, Dropout, ReLU, Sequential, Supervised
from minicap.training import RunFolder, Trainer, TrainingConfig


class Points:
    """Points in ten dimensions; their class is the largest of three random projections."""

    def __init__(self, size: int, seed: int = 0, dtype: Any = np.float32) -> None:
        self.x = np.random.default_rng(seed).normal(size=(size, 10)).astype(dtype)
        self.y = (self.x @ np.random.default_rng(9).normal(size=(10, 3))).argmax(axis=1)

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, indices: np.ndarray, rng: RandomStream | None = None) -> dict[str, np.ndarray]:
        return {"x": self.x[indices], "y": self.y[indices]}


def make_model(seed: int = 1, dtype: Any = np.float32) -> Supervised:
    return Supervised(Sequential(Affine(10, 32), ReLU(), Dropout(0.2), Affine(32, 3))).initialize(seed, dtype)


def make_trainer(run: str | Path, config: TrainingConfig, size: int = 500, **options: Any) -> Trainer:
    return Trainer(make_model(), Points(size), config, RunFolder(run), Points(100, seed=1), **options)


def without_seconds(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{key: value for key, value in record.items() if key != "seconds"} for record in records]


def arrays_of(path: Path) -> dict[str, np.ndarray]:
    checkpoint = load_checkpoint(path)
    return checkpoint.model | {f"optimizer/{name}": a for name, a in checkpoint.optimizer.items()}


def assert_same_run(one: RunFolder, other: RunFolder) -> None:
    """Bit for bit: parameters, the optimizer's memory, the metrics but for the seconds."""
    for name in ("last", "best"):
        first, second = arrays_of(one.checkpoint_path(name)), arrays_of(other.checkpoint_path(name))
        assert set(first) == set(second)
        assert all((first[key] == second[key]).all() for key in first)
    assert without_seconds(one.metrics()) == without_seconds(other.metrics())
