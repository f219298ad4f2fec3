"""Convolutional captioning (Aneja et al. 2018): a convolutional network writes the caption as well."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device
from minicap.arrays.random import RandomStream
from minicap.captioning.model import Batch
from minicap.captioning.models.next_word import NextWordModel
from minicap.captioning.models.settings import require_dropout, require_sizes
from minicap.decoding import Extras, State
from minicap.formats import require_types
from minicap.layers import concat_backward, concat_forward, dot_product_attention_forward
from minicap.nn import (
    GLU,
    Affine,
    Conv1d,
    DotProductAttention,
    Dropout,
    Gradients,
    Module,
    TemporalAffine,
    prefixed,
)
from minicap.nn.init import glorot_uniform


@dataclass(frozen=True)
class CnnCnnConfig:
    """Settings of CNN-CNN.

    name: CNN-CNN (Aneja et al., 2018), which reads the words so far by convolutions and looks at a grid.
    embed_size: size of the embedded words and image.  hidden_size: channels of the convolutions.
    blocks: number of convolutions.  width: words that one convolution sees.
    dropout: rate on the inputs of every convolution and of the scores.
    """

    name: Literal["cnn-cnn"] = field(default="cnn-cnn", kw_only=True)
    embed_size: int = 256
    hidden_size: int = 256
    blocks: int = 3
    width: int = 5
    dropout: float = 0.3

    def __post_init__(self) -> None:
        require_sizes(
            embed_size=self.embed_size, hidden_size=self.hidden_size, blocks=self.blocks, width=self.width
        )
        require_dropout(self.dropout)
        require_types(self)


class CnnCnn(NextWordModel):
    """Causal convolutions over [word, image], each with a look at the places a = grid W + b:

        v = mean(grid) W_v + b_v,   x_t = [table[word_t], v],   z = x W_x + b_x,
        h = block(... block(z, a), a).

    Nothing recurs, so all words of a caption are trained at once; a word sees blocks (width - 1) words back.
    The paper normalises its weights and embeds in 512 channels; this is smaller.
    extras of a step: "attention" (N, S), how much the last block looked at each place.
    """

    reads: ClassVar[str] = "grid"

    def __init__(
        self,
        config: CnnCnnConfig,
        feature_size: int,
        vocabulary_size: int,
        log_frequency: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__(config, feature_size, vocabulary_size, log_frequency)
        embed, hidden = config.embed_size, config.hidden_size
        self.image = Affine(feature_size, embed, glorot_uniform)
        self.places = TemporalAffine(feature_size, hidden, glorot_uniform)
        self.inputs = TemporalAffine(2 * embed, hidden, glorot_uniform)
        self.blocks = [Block(hidden, config.width, config.dropout) for _ in range(config.blocks)]

    def hidden(self, batch: Batch, train: bool, rng: RandomStream | None) -> tuple[Array, Extras, Any]:
        grid = self.standardized(batch["features"])
        image, image_cache = self.image.forward(grid.mean(axis=1), train)
        places, places_cache = self.places.forward(grid, train)
        words, words_cache = self.words.forward(batch["words"], train)
        beside = backend_of(words=words).xp.broadcast_to(image[:, None], words.shape)
        x, concat_cache = concat_forward(words, beside, axis=2)
        z, inputs_cache = self.inputs.forward(x, train)
        block_caches = []
        for block in self.blocks:
            z, cache = block.forward((z, places), train, rng)
            block_caches.append(cache)
        return z, {}, (image_cache, places_cache, words_cache, concat_cache, inputs_cache, block_caches)

    def hidden_backward(
        self, dh: Array, dextras: Extras, cache: Any, input_gradient: bool
    ) -> tuple[Any, Gradients]:
        image_cache, places_cache, words_cache, concat_cache, inputs_cache, block_caches = cache
        grads: Gradients = {}
        dz, dplaces = dh, 0
        for i, block in reversed([*enumerate(self.blocks)]):
            (dz, dplaces_i), own = block.backward(dz, block_caches[i])
            dplaces = dplaces + dplaces_i
            grads |= prefixed(f"blocks.{i}", own)
        dx, inputs = self.inputs.backward(dz, inputs_cache)
        dwords, dbeside = concat_backward(dx, concat_cache)
        _, words = self.words.backward(dwords, words_cache)
        dgrid, places = self.places.backward(dplaces, places_cache, input_gradient)
        dmean, image = self.image.backward(dbeside.sum(axis=1), image_cache, input_gradient)
        grads |= prefixed("inputs", inputs) | prefixed("words", words)
        grads |= prefixed("places", places) | prefixed("image", image)
        return dgrid + (dmean / dgrid.shape[1])[:, None] if input_gradient else None, grads

    def start(self, features: Array) -> State:
        """The embedded images, the places, and the past of every convolution; features (N, S, F)."""
        grid = self.standardized(to_device(features))
        pasts = (block.conv.start(len(grid)) for block in self.blocks)
        return self.image(grid.mean(axis=1)), self.places(grid), *pasts

    def advance(self, state: State, words: Array) -> tuple[Array, State, Extras]:
        image, places, *pasts = state
        x, _ = concat_forward(self.words(words), image, axis=1)
        z = self.inputs(x[:, None])[:, 0]
        for i, block in enumerate(self.blocks):
            z, pasts[i], weights = block.step(z, pasts[i], places)
        return z, (image, places, *pasts), {"attention": weights}


class Block(Module):
    """A gated causal convolution, what it finds at the places, and a shortcut around both:

        y = glu(conv(dropout(z))),   c_t = attention from y_t W_q + b_q over a,   z = z + y + c W_c + b_c.

    forward takes (z, a), z (N, T, H) and a (N, S, H); backward gives the gradients of both.
    """

    def __init__(self, size: int, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.conv, self.glu = Conv1d(size, 2 * size, width), GLU()
        self.query = TemporalAffine(size, size, glorot_uniform)
        self.attention = DotProductAttention()
        self.context = TemporalAffine(size, size, glorot_uniform)

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        z, places = x
        y, dropout_cache = self.dropout.forward(z, train, rng)
        y, conv_cache = self.conv.forward(y, train)
        y, glu_cache = self.glu.forward(y, train)
        query, query_cache = self.query.forward(y, train)
        context, attention_cache = self.attention.forward((query, places, places), train)
        context, context_cache = self.context.forward(context, train)
        caches = dropout_cache, conv_cache, glu_cache, query_cache, attention_cache, context_cache
        return z + y + context, caches

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        dropout_cache, conv_cache, glu_cache, query_cache, attention_cache, context_cache = cache
        dcontext, context = self.context.backward(dout, context_cache)
        (dquery, dkeys, dvalues), _ = self.attention.backward(dcontext, attention_cache)
        dy, query = self.query.backward(dquery, query_cache)
        dy, _ = self.glu.backward(dout + dy, glu_cache)
        dy, conv = self.conv.backward(dy, conv_cache)
        dz, _ = self.dropout.backward(dy, dropout_cache)
        grads = prefixed("context", context) | prefixed("query", query) | prefixed("conv", conv)
        return (dout + dz, dkeys + dvalues), grads

    def step(self, z: Array, past: Array, places: Array) -> tuple[Array, Array, Array]:
        """The output (N, H) for one more word, the past for the next one, and where it looked (N, S)."""
        y, past = self.conv.step(z, past)
        y = self.glu(y)
        context, weights, _ = dot_product_attention_forward(self.query(y[:, None]), places, places)
        return z + y + self.context(context)[:, 0], past, weights[:, 0]
