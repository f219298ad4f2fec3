"""A ranking model (Kiros et al. 2014): a photo lies near the sentences that describe it."""

from dataclasses import dataclass
from typing import Any

from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.captioning.model import Batch
from minicap.errors import InputError
from minicap.formats import require_types
from minicap.layers import pairwise_ranking_loss
from minicap.nn import RECURRENT, Affine, Dropout, Embedding, Gradients, Module, Recurrent, prefixed
from minicap.nn.init import glorot_uniform, normal
from minicap.nn.standardization import Standardization


@dataclass(frozen=True)
class RankingModelConfig:
    """Settings of the ranking model.

    cell: lstm, gru or rnn, which reads the sentence.  embed_size: size of the embedded words.
    space_size: dimensions of the space that images and sentences share.
    margin: by how much a pair that belongs together must be more similar than one that does not.
    hardest: whether only the hardest wrong partner in the batch counts, instead of all.
    dropout: rate on the image features.
    """

    cell: str = "gru"
    embed_size: int = 256
    space_size: int = 512
    margin: float = 0.2
    hardest: bool = False
    dropout: float = 0.2

    def __post_init__(self) -> None:
        require_types(self)
        if self.cell not in RECURRENT:
            raise InputError(f"cell is {self.cell!r} but must be one of {', '.join(RECURRENT)}")
        if min(self.embed_size, self.space_size) < 1:
            raise InputError("embed_size and space_size must be at least 1")
        if not 0 < self.margin < 2:
            raise InputError(f"margin is {self.margin} but must be above 0 and below 2")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout} but must be at least 0 and below 1")


class RankingModel(Module):
    """u = unit(image W + b),   v = unit(h after the last word),   similarity = u . v, the cosine.

    The loss is a hinge over the batch (minicap.layers.pairwise_ranking_loss): the other captions of a batch
    are wrong for a photo, and the other photos for a caption.  Batches are those of CaptioningModel; the
    model reads the words of a caption and <end>.
    """

    def __init__(self, config: RankingModelConfig, feature_size: int, vocabulary_size: int) -> None:
        super().__init__()
        self.config = config
        self.standardization = Standardization(feature_size)
        self.dropout = Dropout(config.dropout)
        self.image = Affine(feature_size, config.space_size, glorot_uniform)
        self.words = Embedding(vocabulary_size, config.embed_size, normal(0.1))
        self.cell: Recurrent = RECURRENT[config.cell](config.embed_size, config.space_size)

    def standardize(self, features: Array) -> None:
        """Take the mean and standard deviation of the features (N, F) of the training photos."""
        self.standardization.fit(features, self.image["b"].dtype)

    def embed_images(
        self, features: Array, train: bool = False, rng: RandomStream | None = None
    ) -> tuple[Array, Any]:
        """Photos with features (N, F) as points (N, D) of the space, and the cache."""
        z, _ = self.standardization.forward(features, train)
        z, _ = self.dropout.forward(z, train, rng)
        out, image_cache = self.image.forward(z, train)
        unit, norm = _unit(out)
        return unit, (norm, image_cache)

    def embed_sentences(self, words: Array, mask: Array, train: bool = False) -> tuple[Array, Any]:
        """Sentences as points (N, D) of the space, from words (N, T) where the mask is 1, and the cache."""
        x, words_cache = self.words.forward(words, train)
        h, cell_cache = self.cell.forward(x, train, mask=mask)  # a finished sentence keeps its state
        unit, norm = _unit(h[:, -1])
        return unit, (norm, words_cache, cell_cache, h.shape)

    def count(self, batch: Batch) -> int:
        """The number of pairs that the loss is a mean over."""
        return len(batch["words"])

    def shards(self, batch: Batch, count: int, most: int) -> int:
        """One: every pair of the batch is compared with all others."""
        return 1

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, Gradients]:
        """The hinge loss per pair, and in training the gradients of all parameters."""
        u, (u_norm, image_cache) = self.embed_images(batch["features"], train, rng)
        v, sentences_cache = self.embed_sentences(batch["next_words"], batch["mask"], train)
        v_norm, words_cache, cell_cache, shape = sentences_cache
        margin, hardest = self.config.margin, self.config.hardest
        loss, dsimilarity = pairwise_ranking_loss(u @ v.T, margin, hardest, reduction="sum")
        scale = 1 / (count or self.count(batch))
        if not train:
            return scale * loss, {}
        dsimilarity = scale * dsimilarity
        dout = _unit_gradient(dsimilarity @ v, u, u_norm)
        _, image = self.image.backward(dout, image_cache, input_gradient=False)
        dh = backend_of(v=v).xp.zeros(shape, dtype=v.dtype)
        dh[:, -1] = _unit_gradient(dsimilarity.T @ u, v, v_norm)
        dx, cell = self.cell.backward(dh, cell_cache)
        _, words = self.words.backward(dx, words_cache)
        return scale * loss, prefixed("image", image) | prefixed("cell", cell) | prefixed("words", words)


def _unit(x: Array) -> tuple[Array, Array]:
    """The rows of x (N, D) scaled to length 1, and their lengths (N, 1)."""
    xp = backend_of(x=x).xp
    norm = xp.sqrt((x * x).sum(axis=1, keepdims=True) + 1e-12)
    return x / norm, norm


def _unit_gradient(dunit: Array, unit: Array, norm: Array) -> Array:
    """The gradient of x: the part of dunit orthogonal to x, since moving along x does not change unit."""
    return (dunit - unit * (dunit * unit).sum(axis=1, keepdims=True)) / norm
