"""Par-inject (Tanti et al. 2018): the recurrent layer reads the image beside every word."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device
from minicap.arrays.random import RandomStream
from minicap.captioning.model import Batch
from minicap.captioning.models.next_word import NextWordModel
from minicap.captioning.models.settings import RecurrentConfig
from minicap.decoding import Extras, State
from minicap.layers import concat_backward, concat_forward
from minicap.nn import RECURRENT, Affine, Dropout, Gradients, Recurrent, prefixed
from minicap.nn.init import glorot_uniform


@dataclass(frozen=True)
class ParInjectConfig(RecurrentConfig):
    """Settings of par-inject.

    name: par-inject (Tanti et al., 2018), which reads the image again beside every word.
    cell: lstm, gru or rnn.  embed_size: size of the embedded words and image.
    hidden_size: size of the recurrent state.
    dropout: rate on the inputs and on the outputs of the recurrent layer.
    """

    name: Literal["par-inject"] = field(default="par-inject", kw_only=True)


class ParInject(NextWordModel):
    """The embedded image is concatenated to every word:

    v = image W + b,   x_t = [table[word_t], v],   h_t = cell(dropout(x_t), h_t-1).

    Source: Tanti et al. 2018, "Where to put the image in an image caption generator".
    """

    def __init__(
        self,
        config: ParInjectConfig,
        feature_size: int,
        vocabulary_size: int,
        log_frequency: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__(config, feature_size, vocabulary_size, log_frequency)
        self.image = Affine(feature_size, config.embed_size, glorot_uniform)
        self.in_dropout = Dropout(config.dropout)
        self.cell: Recurrent = RECURRENT[config.cell](2 * config.embed_size, config.hidden_size)

    def hidden(self, batch: Batch, train: bool, rng: RandomStream | None) -> tuple[Array, Extras, Any]:
        image, image_cache = self.image.forward(self.standardized(batch["features"]), train)
        words, words_cache = self.words.forward(batch["words"], train)
        beside = backend_of(words=words).xp.broadcast_to(image[:, None], words.shape)
        inputs, concat_cache = concat_forward(words, beside, axis=2)
        inputs, dropout_cache = self.in_dropout.forward(inputs, train, rng)
        h, cell_cache = self.cell.forward(inputs, train)
        return h, {}, (image_cache, words_cache, concat_cache, dropout_cache, cell_cache)

    def hidden_backward(
        self, dh: Array, dextras: Extras, cache: Any, input_gradient: bool
    ) -> tuple[Any, Gradients]:
        image_cache, words_cache, concat_cache, dropout_cache, cell_cache = cache
        dinputs, cell = self.cell.backward(dh, cell_cache)
        dinputs, _ = self.in_dropout.backward(dinputs, dropout_cache)
        dwords, dbeside = concat_backward(dinputs, concat_cache)
        _, words = self.words.backward(dwords, words_cache)
        dfeatures, image = self.image.backward(dbeside.sum(axis=1), image_cache, input_gradient)
        return dfeatures, prefixed("image", image) | prefixed("words", words) | prefixed("cell", cell)

    def start(self, features: Array) -> State:
        """The embedded images, which every step reads, and the zero state; features (N, F)."""
        image = self.image(self.standardized(to_device(features)))
        return image, *self.cell.start(len(image))

    def advance(self, state: State, words: Array) -> tuple[Array, State, Extras]:
        image, *before = state
        x, _ = concat_forward(self.words(words), image, axis=1)
        after = self.cell.step(x, tuple(before))
        return after[0], (image, *after), {}
