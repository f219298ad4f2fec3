"""The interface of a captioning model, as the captioner, the run and the decoders use it."""

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.decoding import Extras, State
from minicap.nn import Gradients

Batch = dict[str, Array]


class CaptioningModel(Protocol):
    """Scores the next word of a caption, given the features of its photo and the words so far.

    reads: the kind of features it needs from an encoder, "pooled" (N, F) or "grid" (N, S, F).
    config: its settings, a dataclass whose `name` is that of the model in the registry.
    label_smoothing: share of every target that the loss spreads over all words, in training.
    A model is made by Model(config, F, V, log_frequency), where log_frequency (V,) says how often each
    word occurs in training; `minicap.captioning.models` knows the models by name.

    A batch is {"features": (N, F) or (N, S, F), "words": (N, T) from <start> on, "next_words": (N, T) up to
    <end>, "mask": (N, T), 1 where next_words counts}.  It may have "weights" (N,), by which the words of a
    caption are weighted in the loss: the advantages of sampled captions in reinforcement learning.
    """

    reads: ClassVar[str]
    label_smoothing: float

    @property
    def config(self) -> Any: ...
    @property
    def params(self) -> dict[str, Array]: ...
    @property
    def state(self) -> dict[str, Array]: ...
    def load(self, arrays: Mapping[str, Array]) -> None: ...
    def initialize(self, seed: int = 0, dtype: Any = ...) -> Any: ...
    def shards(self, batch: Batch, count: int, most: int) -> int: ...

    def standardize(self, features: Array) -> None:
        """Look at the features of the training photos, before training."""

    def start(self, features: Array) -> State:
        """The state after the photos have been read; every array has N rows."""

    def step(self, state: State, words: Array) -> tuple[Array, State, Extras]:
        """After words (N,): log probabilities (N, V) of the next one, the next state, and extras that
        explain this step, such as {"attention": (N, S)}."""

    def count(self, batch: Batch) -> int:
        """The number of words that the loss is a mean over, <end> included."""

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, Gradients]:
        """The loss per word, and the gradients of all parameters where train is True.

        count: divide by this instead of the batch's own count, so that shards add up.
        """
