"""A transformer decoder (Vaswani et al. 2017) over the encoder's feature grid."""

from dataclasses import dataclass, field
from math import sqrt
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device
from minicap.arrays.random import RandomStream
from minicap.captioning.model import Batch
from minicap.captioning.models.next_word import NextWordModel
from minicap.captioning.models.settings import require_dropout, require_sizes
from minicap.decoding import Extras, State
from minicap.errors import InputError
from minicap.formats import require_types
from minicap.nn import (
    Dropout,
    Gradients,
    LayerNorm,
    Module,
    MultiHeadAttention,
    ReLU,
    Residual,
    Sequential,
    TemporalAffine,
    prefixed,
)
from minicap.nn.init import glorot_uniform


@dataclass(frozen=True)
class TransformerConfig:
    """Settings of the transformer.

    name: transformer (Vaswani et al., 2017), which attends to the words so far and to a grid of the image.
    embed_size: size of the embedded words and of the output of every layer.
    blocks: number of blocks of two attentions and two affine layers.
    heads: attentions side by side, a divisor of embed_size.
    inner_size: size between the two affine layers of a block.
    dropout: rate on the embedded words, on the output of every layer and on the last.
    """

    name: Literal["transformer"] = field(default="transformer", kw_only=True)
    embed_size: int = 256
    blocks: int = 2
    heads: int = 4
    inner_size: int = 512
    dropout: float = 0.3

    def __post_init__(self) -> None:
        require_sizes(
            embed_size=self.embed_size, blocks=self.blocks, heads=self.heads, inner_size=self.inner_size
        )
        require_dropout(self.dropout)
        require_types(self)
        if self.embed_size % self.heads:
            raise InputError(f"embed_size is {self.embed_size} but must be divisible by heads, {self.heads}")


class Transformer(NextWordModel):
    """Words attend to earlier words, and to the places a = image W + b:

        x_t = dropout(sqrt(E) table[word_t] + position_t),   h = norm(block(... block(x, a), a)).

    Nothing recurs, so all words of a caption are trained at once.  In decoding, a step keeps the keys and
    values of the words so far.
    extras of a step: "attention" (N, S), how much the last block looked at each place, averaged over heads.
    """

    reads: ClassVar[str] = "grid"

    def __init__(
        self,
        config: TransformerConfig,
        feature_size: int,
        vocabulary_size: int,
        log_frequency: NDArray[np.float64] | None = None,
    ) -> None:
        size = config.embed_size
        super().__init__(config, feature_size, vocabulary_size, log_frequency, hidden_size=size)
        self.places = TemporalAffine(feature_size, size, glorot_uniform)
        self.in_dropout = Dropout(config.dropout)
        self.blocks = [
            Block(size, config.heads, config.inner_size, config.dropout) for _ in range(config.blocks)
        ]
        self.norm = LayerNorm(size)

    def hidden(self, batch: Batch, train: bool, rng: RandomStream | None) -> tuple[Array, Extras, Any]:
        places, places_cache = self.places.forward(self.standardized(batch["features"]), train)
        words, words_cache = self.words.forward(batch["words"], train)
        x = sqrt(words.shape[2]) * words + positions(0, words.shape[1], like=words)
        x, dropout_cache = self.in_dropout.forward(x, train, rng)
        block_caches = []
        for block in self.blocks:
            x, cache = block.forward((x, places), train, rng)
            block_caches.append(cache)
        h, norm_cache = self.norm.forward(x, train)
        return h, {}, (places_cache, words_cache, dropout_cache, block_caches, norm_cache)

    def hidden_backward(
        self, dh: Array, dextras: Extras, cache: Any, input_gradient: bool
    ) -> tuple[Any, Gradients]:
        places_cache, words_cache, dropout_cache, block_caches, norm_cache = cache
        dx, norm = self.norm.backward(dh, norm_cache)
        grads = prefixed("norm", norm)
        dplaces: Any = 0
        for i, block in reversed([*enumerate(self.blocks)]):
            (dx, dplaces_i), own = block.backward(dx, block_caches[i])
            dplaces = dplaces + dplaces_i
            grads |= prefixed(f"blocks.{i}", own)
        dx, _ = self.in_dropout.backward(dx, dropout_cache)
        _, words = self.words.backward(sqrt(dx.shape[2]) * dx, words_cache)
        dfeatures, places = self.places.backward(dplaces, places_cache, input_gradient)
        return dfeatures, grads | prefixed("words", words) | prefixed("places", places)

    def start(self, features: Array) -> State:
        """For every block, keys and values of the words (none yet) and of all places; features (N, S, F)."""
        places = self.places(self.standardized(to_device(features)))
        return tuple(array for block in self.blocks for array in block.start(places))

    def advance(self, state: State, words: Array) -> tuple[Array, State, Extras]:
        embedded = self.words(words)
        said = state[0].shape[1]
        x = sqrt(embedded.shape[1]) * embedded + positions(said, 1, like=embedded)
        after: State = ()
        for i, block in enumerate(self.blocks):
            x, own, weights = block.step(x, state[4 * i : 4 * i + 4])
            after += own
        return self.norm(x), after, {"attention": weights.mean(axis=1)}


class Block(Module):
    """Attention to the words so far, attention to the places, two affine layers; each reads a norm of x:

        x = x + attention(norm(x)),   x = x + attention(norm(x), a),   x = x + relu(norm(x) W1 + b1) W2 + b2.

    forward takes (x, a), x (N, T, E) and a (N, S, E); backward gives the gradients of both.  The norm comes
    first, as in Xiong et al. 2020, and not last as in Vaswani et al. 2017: it trains without a warmup.
    """

    def __init__(self, size: int, heads: int, inner_size: int, dropout: float) -> None:
        super().__init__()
        self.words_norm, self.places_norm = LayerNorm(size), LayerNorm(size)
        self.words = MultiHeadAttention(size, heads, causal=True)
        self.places = MultiHeadAttention(size, heads)
        self.words_dropout, self.places_dropout = Dropout(dropout), Dropout(dropout)
        self.inner = Residual(
            Sequential(
                norm=LayerNorm(size),
                wide=TemporalAffine(size, inner_size),
                relu=ReLU(),
                narrow=TemporalAffine(inner_size, size, glorot_uniform),
                dropout=Dropout(dropout),
            )
        )

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        x, places = x
        read, words_norm = self.words_norm.forward(x, train)
        found, words = self.words.forward(read, train)
        found, words_dropout = self.words_dropout.forward(found, train, rng)
        x = x + found
        read, places_norm = self.places_norm.forward(x, train)
        found, looked = self.places.forward((read, places, places), train)
        found, places_dropout = self.places_dropout.forward(found, train, rng)
        x = x + found
        x, inner = self.inner.forward(x, train, rng)
        return x, (words_norm, words, words_dropout, places_norm, looked, places_dropout, inner)

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        words_norm, words, words_dropout, places_norm, looked, places_dropout, inner = cache
        dx, grads = self.inner.backward(dout, inner)
        grads = prefixed("inner", grads)
        dfound, _ = self.places_dropout.backward(dx, places_dropout)
        (dread, dkeys, dvalues), own = self.places.backward(dfound, looked)
        dnormed, of_norm = self.places_norm.backward(dread, places_norm)
        dx = dx + dnormed
        grads |= prefixed("places", own) | prefixed("places_norm", of_norm)
        dfound, _ = self.words_dropout.backward(dx, words_dropout)
        dread, own = self.words.backward(dfound, words)
        dnormed, of_norm = self.words_norm.backward(dread, words_norm)
        dx = dx + dnormed
        grads |= prefixed("words", own) | prefixed("words_norm", of_norm)
        return (dx, dkeys + dvalues), grads

    def start(self, places: Array) -> State:
        """Keys and values of the words (none yet), then of the places (N, S, E)."""
        return *self.words.keys_and_values(places[:, :0]), *self.places.keys_and_values(places)

    def step(self, x: Array, state: State) -> tuple[Array, State, Array]:
        """The output (N, E) for one more word, the state, and where it looked (N, heads, S)."""
        keys, values, *places = state
        read = self.words_norm(x)
        new = self.words.keys_and_values(read[:, None])
        xp = backend_of(x=x).xp
        keys, values = (
            xp.concatenate([old, one], axis=1) for old, one in zip((keys, values), new, strict=True)
        )
        x = x + self.words.step(read, keys, values)[0]
        found, weights = self.places.step(self.places_norm(x), *places)
        x = self.inner((x + found)[:, None])[:, 0]
        return x, (keys, values, *places), weights


def positions(first: int, steps: int, like: Array) -> Array:
    """Positions of words as sines and cosines of growing wavelengths (Vaswani et al. 2017, section 3.5):

        p_t = [sin(t r_0), sin(t r_1), ..., cos(t r_0), cos(t r_1), ...],   r_i = 10000^(-2 i / E).

    like: (..., E).  Returns (steps, E), from step `first` on, as an array of the same kind as `like`.
    """
    size, xp = like.shape[-1], backend_of(like=like).xp
    rates = 10000.0 ** (-xp.arange(0, size, 2) / size)
    angles = xp.arange(first, first + steps)[:, None] * rates
    return xp.concatenate([xp.sin(angles), xp.cos(angles)], axis=1)[:, :size].astype(like.dtype)
