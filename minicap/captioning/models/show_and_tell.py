"""Show and Tell (Vinyals et al. 2015): the image is what the recurrent layer reads first."""

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
class ShowAndTellConfig(RecurrentConfig):
    """Settings of Show and Tell.

    name: Show and Tell (Vinyals et al., 2015), which reads the image once, before the words.
    cell: lstm, gru or rnn.  embed_size: size of the embedded words and image.
    hidden_size: size of the recurrent state.
    dropout: rate on the inputs and on the outputs of the recurrent layer.
    """

    name: Literal["show-and-tell"] = field(default="show-and-tell", kw_only=True)


class ShowAndTell(NextWordModel):
    """The embedded image comes before <start>:

    x_-1 = image W + b,   x_t = table[word_t],   h_t = cell(dropout(x_t), h_t-1).

    Tanti et al. 2018 call this pre-inject.
    """

    def __init__(
        self,
        config: ShowAndTellConfig,
        feature_size: int,
        vocabulary_size: int,
        log_frequency: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__(config, feature_size, vocabulary_size, log_frequency)
        self.image = Affine(feature_size, config.embed_size, glorot_uniform)
        self.in_dropout = Dropout(config.dropout)
        self.cell: Recurrent = RECURRENT[config.cell](config.embed_size, config.hidden_size)

    def hidden(self, batch: Batch, train: bool, rng: RandomStream | None) -> tuple[Array, Extras, Any]:
        image, image_cache = self.image.forward(self.standardized(batch["features"]), train)
        words, words_cache = self.words.forward(batch["words"], train)
        inputs, concat_cache = concat_forward(image[:, None], words, axis=1)
        inputs, dropout_cache = self.in_dropout.forward(inputs, train, rng)
        h, cell_cache = self.cell.forward(inputs, train)
        return h[:, 1:], {}, (image_cache, words_cache, concat_cache, dropout_cache, cell_cache)

    def hidden_backward(
        self, dh: Array, dextras: Extras, cache: Any, input_gradient: bool
    ) -> tuple[Any, Gradients]:
        image_cache, words_cache, concat_cache, dropout_cache, cell_cache = cache
        # Nothing is predicted right after the image, so its step gets no gradient from the scores.
        dh = backend_of(dh=dh).xp.concatenate([0 * dh[:, :1], dh], axis=1)
        dinputs, cell = self.cell.backward(dh, cell_cache)
        dinputs, _ = self.in_dropout.backward(dinputs, dropout_cache)
        dimage, dwords = concat_backward(dinputs, concat_cache)
        _, words = self.words.backward(dwords, words_cache)
        dfeatures, image = self.image.backward(dimage[:, 0], image_cache, input_gradient)
        return dfeatures, prefixed("image", image) | prefixed("words", words) | prefixed("cell", cell)

    def start(self, features: Array) -> State:
        """The state after the images have been read; features (N, F)."""
        image = self.image(self.standardized(to_device(features)))
        return self.cell.step(image, self.cell.start(len(image)))

    def advance(self, state: State, words: Array) -> tuple[Array, State, Extras]:
        state = self.cell.step(self.words(words), state)
        return state[0], state, {}
