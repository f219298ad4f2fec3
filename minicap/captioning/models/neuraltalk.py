"""The captioner of Karpathy & Fei-Fei 2015 (neuraltalk): a ReLU network that sees the image at one step."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device
from minicap.arrays.random import RandomStream
from minicap.captioning.model import Batch
from minicap.captioning.models.next_word import NextWordModel
from minicap.captioning.models.settings import require_dropout, require_sizes
from minicap.decoding import Extras, State
from minicap.formats import require_types
from minicap.layers import affine_backward, affine_forward, relu_backward, relu_forward
from minicap.nn import RNN, Affine, Dropout, Gradients, prefixed
from minicap.nn.init import glorot_uniform


@dataclass(frozen=True)
class NeuraltalkConfig:
    """Settings of neuraltalk.

    name: neuraltalk (Karpathy and Fei-Fei, 2015), a ReLU network that sees the image at its first step.
    embed_size: size of the embedded words.  hidden_size: size of the recurrent state.
    dropout: rate on the inputs and on the outputs of the recurrent layer.
    """

    name: Literal["neuraltalk"] = field(default="neuraltalk", kw_only=True)
    embed_size: int = 300
    hidden_size: int = 300
    dropout: float = 0.5

    def __post_init__(self) -> None:
        require_sizes(embed_size=self.embed_size, hidden_size=self.hidden_size)
        require_dropout(self.dropout)
        require_types(self)


class Neuraltalk(NextWordModel):
    """A vanilla recurrent network of ReLUs; the image enters at <start> through a matrix of its own:

        x_t = dropout(table[word_t]),   v = image Wi + bi,
        h_0 = max(0, x_0 Wx + b + v),   h_t = max(0, x_t Wx + h_t-1 Wh + b).

    Source: Karpathy & Fei-Fei 2015, "Deep Visual-Semantic Alignments for Generating Image Descriptions",
    section 3.2.
    """

    def __init__(
        self,
        config: NeuraltalkConfig,
        feature_size: int,
        vocabulary_size: int,
        log_frequency: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__(config, feature_size, vocabulary_size, log_frequency)
        self.image = Affine(feature_size, config.hidden_size, glorot_uniform)
        self.in_dropout = Dropout(config.dropout)
        self.cell = RNN(config.embed_size, config.hidden_size, activation="relu")

    def hidden(self, batch: Batch, train: bool, rng: RandomStream | None) -> tuple[Array, Extras, Any]:
        image, image_cache = self.image.forward(self.standardized(batch["features"]), train)
        words, words_cache = self.words.forward(batch["words"], train)
        x, dropout_cache = self.in_dropout.forward(words, train, rng)
        first, first_cache = affine_forward(x[:, 0], self.cell["Wx"], self.cell["b"])
        h0, relu_cache = relu_forward(first + image)
        h, cell_cache = self.cell.forward(x, train, h0=h0, mask=_after_the_first(x))
        return h, {}, (image_cache, words_cache, dropout_cache, first_cache, relu_cache, cell_cache)

    def hidden_backward(
        self, dh: Array, dextras: Extras, cache: Any, input_gradient: bool
    ) -> tuple[Any, Gradients]:
        image_cache, words_cache, dropout_cache, first_cache, relu_cache, cell_cache = cache
        dx, cell, (dh0,) = self.cell.backward_to_start(dh, cell_cache)
        dfirst = relu_backward(dh0, relu_cache)
        dx0, dWx, db = affine_backward(dfirst, first_cache)
        cell = cell | {"Wx": cell["Wx"] + dWx, "b": cell["b"] + db}
        dx = backend_of(dx=dx).xp.concatenate([dx0[:, None], dx[:, 1:]], axis=1)
        dwords, _ = self.in_dropout.backward(dx, dropout_cache)
        _, words = self.words.backward(dwords, words_cache)
        dfeatures, image = self.image.backward(dfirst, image_cache, input_gradient)
        return dfeatures, prefixed("image", image) | prefixed("words", words) | prefixed("cell", cell)

    def start(self, features: Array) -> State:
        """The zero state, and what the images add to the next step; features (N, F)."""
        image = self.image(self.standardized(to_device(features)))
        return *self.cell.start(len(image)), image

    def advance(self, state: State, words: Array) -> tuple[Array, State, Extras]:
        h, image = state
        a = self.words(words) @ self.cell["Wx"] + h @ self.cell["Wh"] + self.cell["b"] + image
        h, _ = relu_forward(a)
        return h, (h, 0 * image), {}


def _after_the_first(x: Array) -> Array:
    """A mask (N, T) that makes the recurrent layer keep its initial state through the first step."""
    mask = backend_of(x=x).xp.ones(x.shape[:2], dtype=x.dtype)
    mask[:, 0] = 0
    return mask
