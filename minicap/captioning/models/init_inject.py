"""Init-inject (Tanti et al. 2018): the recurrent layer starts from the image."""

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
from minicap.nn import RECURRENT, Affine, Dropout, Gradients, Recurrent, prefixed
from minicap.nn.init import glorot_uniform


@dataclass(frozen=True)
class InitInjectConfig(RecurrentConfig):
    """Settings of init-inject.

    name: init-inject (Tanti et al., 2018), whose recurrent layer starts from the image.
    cell: lstm, gru or rnn.  embed_size: size of the embedded words.
    hidden_size: size of the recurrent state.
    dropout: rate on the inputs and on the outputs of the recurrent layer.
    """

    name: Literal["init-inject"] = field(default="init-inject", kw_only=True)


class InitInject(NextWordModel):
    """The image is the first state:

    h_-1 = image W + b,   x_t = table[word_t],   h_t = cell(dropout(x_t), h_t-1).

    The LSTM's c_-1 is zero.  Source: Tanti et al. 2018, "Where to put the image in an image caption
    generator".
    """

    def __init__(
        self,
        config: InitInjectConfig,
        feature_size: int,
        vocabulary_size: int,
        log_frequency: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__(config, feature_size, vocabulary_size, log_frequency)
        self.image = Affine(feature_size, config.hidden_size, glorot_uniform)
        self.in_dropout = Dropout(config.dropout)
        self.cell: Recurrent = RECURRENT[config.cell](config.embed_size, config.hidden_size)

    def hidden(self, batch: Batch, train: bool, rng: RandomStream | None) -> tuple[Array, Extras, Any]:
        image, image_cache = self.image.forward(self.standardized(batch["features"]), train)
        words, words_cache = self.words.forward(batch["words"], train)
        inputs, dropout_cache = self.in_dropout.forward(words, train, rng)
        h, cell_cache = self.cell.forward(inputs, train, h0=image)
        return h, {}, (image_cache, words_cache, dropout_cache, cell_cache)

    def hidden_backward(
        self, dh: Array, dextras: Extras, cache: Any, input_gradient: bool
    ) -> tuple[Any, Gradients]:
        image_cache, words_cache, dropout_cache, cell_cache = cache
        dinputs, cell, (dimage, *_) = self.cell.backward_to_start(dh, cell_cache)
        dwords, _ = self.in_dropout.backward(dinputs, dropout_cache)
        _, words = self.words.backward(dwords, words_cache)
        dfeatures, image = self.image.backward(dimage, image_cache, input_gradient)
        return dfeatures, prefixed("image", image) | prefixed("words", words) | prefixed("cell", cell)

    def start(self, features: Array) -> State:
        """The state computed from the images; features (N, F)."""
        image = self.image(self.standardized(to_device(features)))
        _, *rest = self.cell.start(len(image))
        return image, *rest

    def advance(self, state: State, words: Array) -> tuple[Array, State, Extras]:
        state = self.cell.step(self.words(words), state)
        return state[0], state, {}
