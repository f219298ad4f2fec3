"""Merge (Tanti et al. 2018): the recurrent layer reads words alone, and the image joins it afterwards."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, to_device
from minicap.arrays.random import RandomStream
from minicap.captioning.model import Batch
from minicap.captioning.models.next_word import NextWordModel
from minicap.captioning.models.settings import RecurrentConfig
from minicap.decoding import Extras, State
from minicap.nn import (
    RECURRENT,
    Affine,
    Dropout,
    Gradients,
    Recurrent,
    ReLU,
    Sequential,
    TemporalAffine,
    prefixed,
)


@dataclass(frozen=True)
class MergeConfig(RecurrentConfig):
    """Settings of merge.

    name: merge (Tanti et al., 2018), whose recurrent layer reads words alone; the image joins it afterwards.
    cell: lstm, gru or rnn.  embed_size: size of the embedded words.
    hidden_size: size of the recurrent state and of the embedded image.
    dropout: rate on the image, on the embedded words and on what the scores read.
    """

    name: Literal["merge"] = field(default="merge", kw_only=True)
    hidden_size: int = 256


class Merge(NextWordModel):
    """A language model and an image that meet before the scores:

        v = relu(dropout(image) W + b),   x_t = table[word_t],   s_t = cell(dropout(x_t), s_t-1),
        h_t = relu((s_t + v) W_m + b_m).

    This is the network of Keras' well-known captioning example, with dropout before the scores as well.
    Tanti et al. 2018 ("Where to put the image in an image caption generator") concatenate s_t and v.
    """

    def __init__(
        self,
        config: MergeConfig,
        feature_size: int,
        vocabulary_size: int,
        log_frequency: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__(config, feature_size, vocabulary_size, log_frequency)
        hidden = config.hidden_size
        self.image = Sequential(
            dropout=Dropout(config.dropout), affine=Affine(feature_size, hidden), relu=ReLU()
        )
        self.in_dropout = Dropout(config.dropout)
        self.cell: Recurrent = RECURRENT[config.cell](config.embed_size, hidden)
        self.merged = Sequential(affine=TemporalAffine(hidden, hidden), relu=ReLU())

    def hidden(self, batch: Batch, train: bool, rng: RandomStream | None) -> tuple[Array, Extras, Any]:
        image, image_cache = self.image.forward(self.standardized(batch["features"]), train, rng)
        words, words_cache = self.words.forward(batch["words"], train)
        inputs, dropout_cache = self.in_dropout.forward(words, train, rng)
        states, cell_cache = self.cell.forward(inputs, train)
        h, merged_cache = self.merged.forward(states + image[:, None], train)
        return h, {}, (image_cache, words_cache, dropout_cache, cell_cache, merged_cache)

    def hidden_backward(
        self, dh: Array, dextras: Extras, cache: Any, input_gradient: bool
    ) -> tuple[Any, Gradients]:
        image_cache, words_cache, dropout_cache, cell_cache, merged_cache = cache
        dsum, merged = self.merged.backward(dh, merged_cache)
        dinputs, cell = self.cell.backward(dsum, cell_cache)
        dwords, _ = self.in_dropout.backward(dinputs, dropout_cache)
        _, words = self.words.backward(dwords, words_cache)
        dfeatures, image = self.image.backward(dsum.sum(axis=1), image_cache, input_gradient)
        grads = prefixed("image", image) | prefixed("words", words) | prefixed("cell", cell)
        return dfeatures, grads | prefixed("merged", merged)

    def start(self, features: Array) -> State:
        """The embedded images, which are added at every step, and the zero state; features (N, F)."""
        image = self.image(self.standardized(to_device(features)))
        return image, *self.cell.start(len(image))

    def advance(self, state: State, words: Array) -> tuple[Array, State, Extras]:
        image, *before = state
        after = self.cell.step(self.words(words), tuple(before))
        h = self.merged((after[0] + image)[:, None])[:, 0]
        return h, (image, *after), {}
