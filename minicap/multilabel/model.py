"""The interface of a multi-label model, as the tagger, the run and the commands use it."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.nn import Gradients

Batch = dict[str, Array]


class Tag(NamedTuple):
    """A label given to a photo.

    label: its index.  probability: that the photo has it, or, where labels are predicted one after
    another, that it comes next.  attention: how much each stage of the encoder was looked at, (S,), or empty.
    """

    label: int
    probability: float
    attention: tuple[float, ...] = ()


class MultiLabelModel(Protocol):
    """Says which of K labels a photo has, given the channel means of every stage of its encoder.

    config: its settings, a dataclass whose `name` is that of the model in the registry.
    A model is made by Model(config, stages, K, last), where stages (F1, F2, ...) are the channels of each
    stage, and last is the last stage itself where it is trained, too (`config.fine_tune`): features then hold
    the grid that it reads in place of its means.  `minicap.multilabel.models` knows the models by name.

    Labels have indices 0 ... K-1, the most frequent in training first.  A batch is {"features": (N, F1 + F2
    + ...), "y": (N, K), 1 where a photo has a label}; models whose `sequential` is True also read each
    photo's labels one after another: "labels": (N, T) from <start> on, "next_labels": (N, T) up to <end>,
    "mask": (N, T), 1 where next_labels counts.
    """

    @property
    def config(self) -> Any: ...
    @property
    def sequential(self) -> bool: ...
    @property
    def params(self) -> dict[str, Array]: ...
    @property
    def state(self) -> dict[str, Array]: ...
    def load(self, arrays: Mapping[str, Array]) -> None: ...
    def initialize(self, seed: int = 0, dtype: Any = ...) -> Any: ...
    def shards(self, batch: Batch, count: int, most: int) -> int: ...

    def standardize(self, features: Array) -> None:
        """Look at the features of the training photos, before training."""

    def start_from(self, shares: NDArray[np.floating]) -> None:
        """Know before training how frequent each label is: its share of the photos (K,), between 0 and 1."""

    def tags(self, features: Array, beam: int = 1) -> list[list[Tag]]:
        """The labels of each photo, the surest first.

        beam: how many beginnings are kept where labels are predicted one after another.
        """

    def probabilities(self, features: Array, beam: int = 1) -> NDArray[np.floating]:
        """How sure the model is of every label, (N, K), also of those that it does not give: to rank photos.

        beam: as for `tags`.
        """

    def count(self, batch: Batch) -> int:
        """The number that the loss is a mean over, such as photos."""

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, Gradients]:
        """The mean loss, and the gradients of all parameters where train is True.

        count: divide by this instead of the batch's own count, so that shards add up.
        """
