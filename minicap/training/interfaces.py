"""What the Trainer needs from a model and from a set of examples."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.errors import InputError
from minicap.training.shards import Batch, HasLoss


class Trainable(HasLoss, Protocol):
    """A model the Trainer can train: named parameters, a loss, and how many things the loss averages over.

    If it also has `metrics` (see minicap.nn.Supervised), they are measured on the validation set.
    """

    @property
    def params(self) -> dict[str, Array]: ...
    @property
    def state(self) -> dict[str, Array]: ...
    def load(self, arrays: dict[str, Array]) -> None: ...
    def shards(self, batch: Batch, count: int, most: int) -> int: ...


class Examples(Protocol):
    """A set of examples: its size, and the batch of the examples with these indices.

    rng: for augmentation, a function of seed and step, the only source of randomness; None in evaluation,
    where nothing is random.
    With `loaders` threads, batch() is called from several threads at once.
    A set may also have `lengths`, an array, so that batches are made of examples of similar length, which
    saves work on padding; `whole`, the names of arrays of a batch that are not cut into shards; and
    `of_epoch(epoch, rng)`, the set to use in the epoch after this many, with the rng of the whole run.
    """

    def __len__(self) -> int: ...
    def batch(self, indices: np.ndarray, rng: RandomStream | None) -> Batch: ...


@dataclass(frozen=True)
class StepResult:
    """What a step found: the loss, gradients by name, how many things the loss averages over, more to record.

    loss: a number, or a 0-d array of a device that may still be computing it; float(to_host(loss)) waits.
    norm: of all gradients before they were clipped, likewise; 0 where they are not clipped.
    """

    loss: Any
    grads: dict[str, Array]
    count: int
    scalars: Mapping[str, float] = field(default_factory=dict)
    norm: Any = 0.0


def require_examples(examples: Any, which: str) -> None:
    """Raise InputError, saying what to do, for examples that give no batches."""
    if not (callable(getattr(examples, "batch", None)) and hasattr(examples, "__len__")):
        raise InputError(
            f"Trainer: the {which} set is a {type(examples).__name__}, of which no batches can be made; "
            "wrap arrays as ArrayDataset(x, y) from minicap.data, or give it __len__() and batch()"
        )


def require_trainable(model: Any) -> None:
    """Raise InputError, saying what to do, for a model without a loss."""
    if not all(callable(getattr(model, name, None)) for name in ("loss", "count", "shards")):
        kind = type(model).__name__
        raise InputError(
            f"Trainer: a {kind} has no loss to train it by; "
            f"wrap it as Supervised({kind}(...)) from minicap.nn, or give it loss(), count() and shards()"
        )
