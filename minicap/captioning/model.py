"""The CNN-LSTM captioner of Vinyals et al. 2015 ("Show and Tell"), from image features on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device, to_host
from minicap.arrays.random import RandomStream
from minicap.decoding import State
from minicap.errors import InputError, ShapeError
from minicap.layers import (
    concat_backward,
    concat_forward,
    log_softmax_forward,
    temporal_affine_softmax_loss,
)
from minicap.layers.temporal import temporal_affine_backward, temporal_affine_forward
from minicap.nn import RECURRENT, Affine, Dropout, Embedding, Gradients, Module, Recurrent, prefixed
from minicap.nn.init import glorot_uniform, normal, zeros

Batch = dict[str, Array]


@dataclass(frozen=True)
class CaptionModelConfig:
    """Sizes of a captioner.

    cell: lstm, gru or rnn.  embed_size: of words and of the embedded image.  hidden_size: of the state.
    dropout: rate on the inputs and on the outputs of the recurrent layer.
    """

    cell: str = "lstm"
    embed_size: int = 256
    hidden_size: int = 512
    dropout: float = 0.5

    def __post_init__(self) -> None:
        if self.cell not in RECURRENT:
            raise InputError(f"cell is {self.cell!r} but must be one of {', '.join(RECURRENT)}")
        if min(self.embed_size, self.hidden_size) < 1:
            raise InputError("embed_size and hidden_size must be at least 1")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout} but must be at least 0 and below 1")


class CaptionModel(Module):
    """Scores of every next word of a caption, given the features of its image.

    The embedded image is what the recurrent layer reads first, before <start>:
        x_-1 = (image - mean) / std W + b,   x_t = table[word_t],
        h_t = cell(x_t, h_t-1),   scores_t = h_t W' + b'.
    mean and std of the features are those of the training photos (`standardize`).

    A batch is {"features": (N, F), "words": (N, T) from <start> on, "next_words": (N, T) up to <end>,
    "mask": (N, T), 1 where next_words counts}.
    """

    def __init__(
        self,
        config: CaptionModelConfig,
        feature_size: int,
        vocabulary_size: int,
        log_frequency: NDArray[np.float64] | None = None,
    ) -> None:
        super().__init__()
        self.config, self.feature_size = config, feature_size
        embed, hidden = config.embed_size, config.hidden_size
        self.image = Affine(feature_size, embed, glorot_uniform)
        self.words = Embedding(vocabulary_size, embed, normal(0.1))
        self.buffers = {"feature_mean": np.zeros(feature_size), "feature_std": np.ones(feature_size)}
        self.cell: Recurrent = RECURRENT[config.cell](embed, hidden)
        self.dropout = Dropout(config.dropout)
        self.declare("out_w", (hidden, vocabulary_size), glorot_uniform)
        # Words start as likely as they are frequent, which saves the first epoch from learning just that.
        bias = zeros if log_frequency is None else lambda rng, shape: np.array(log_frequency)
        self.declare("out_b", (vocabulary_size,), bias)

    def standardize(self, features: Array) -> None:
        """Take the mean and standard deviation of the features (N, F) of the training photos.

        Raises ShapeError for features of another size than the model's.
        """
        features = to_host(features)
        self._check_features(features)
        # A channel that never fires in training must not shout at the first photo where it does.
        std = np.maximum(features.std(axis=0), 1e-3 * features.std())
        for name, values in (("feature_mean", features.mean(axis=0)), ("feature_std", std)):
            self.buffers[name] = to_device(values.astype(self["out_b"].dtype))

    def _check_features(self, features: Array) -> None:
        size = len(self.buffers["feature_mean"])
        if features.ndim != 2 or features.shape[1] != size:  # one number a photo would fit, by broadcasting
            raise ShapeError(f"CaptionModel: features is {features.shape} but must be (N, {size})")

    def _standardized(self, features: Array) -> Array:
        self._check_features(features)
        return (features - self.buffers["feature_mean"]) / self.buffers["feature_std"]

    def forward(self, x: Batch, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        """Scores (N, T, V) of the next word after every word of the batch.

        Raises InputError for what is no batch, ShapeError for arrays that do not fit.
        """
        if not isinstance(x, dict):
            raise InputError('CaptionModel: x must be a batch, {"features": (N, F), "words": (N, T)}')
        h, cache = self._states(x, train, rng)
        scores, scores_cache = temporal_affine_forward(h, self["out_w"], self["out_b"])
        return scores, (cache, scores_cache)

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        """Gradients of the image features and of every parameter."""
        states_cache, scores_cache = cache
        dh, dout_w, dout_b = temporal_affine_backward(dout, scores_cache)
        dfeatures, grads = self._states_backward(dh, states_cache, input_gradient)
        return dfeatures, grads | {"out_w": dout_w, "out_b": dout_b}

    def _states(self, x: Batch, train: bool, rng: RandomStream | None) -> tuple[Array, Any]:
        """What the recurrent layer says after every word, (N, T, H)."""
        image, image_cache = self.image.forward(self._standardized(x["features"]), train)
        words, words_cache = self.words.forward(x["words"], train)
        inputs, concat_cache = concat_forward(image[:, None], words, axis=1)
        inputs, in_cache = self.dropout.forward(inputs, train, rng.child(0) if rng else None)
        h, cell_cache = self.cell.forward(inputs, train)
        h, out_cache = self.dropout.forward(h[:, 1:], train, rng.child(1) if rng else None)
        return h, (image_cache, words_cache, concat_cache, in_cache, cell_cache, out_cache)

    def _states_backward(self, dh: Array, cache: Any, input_gradient: bool) -> tuple[Any, Gradients]:
        """Gradients of the image features and of the parameters before the scores."""
        image_cache, words_cache, concat_cache, in_cache, cell_cache, out_cache = cache
        dh, _ = self.dropout.backward(dh, out_cache)
        # Nothing is predicted after the image itself, so its step gets no gradient from above.
        dh = backend_of(dh=dh).xp.concatenate([0 * dh[:, :1], dh], axis=1)
        dinputs, cell = self.cell.backward(dh, cell_cache)
        dinputs, _ = self.dropout.backward(dinputs, in_cache)
        dimage, dwords = concat_backward(dinputs, concat_cache)
        _, words = self.words.backward(dwords, words_cache)
        dfeatures, image = self.image.backward(dimage[:, 0], image_cache, input_gradient)
        grads = prefixed("image", image) | prefixed("words", words) | prefixed("cell", cell)
        return dfeatures / self.buffers["feature_std"] if input_gradient else None, grads

    def count(self, batch: Batch) -> int:
        """What the loss is a mean over: words, <end> included."""
        return int(batch["mask"].sum())

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, Gradients]:
        """Cross-entropy a word and its gradients; count as in minicap.nn.Supervised.loss."""
        h, cache = self._states(batch, train, rng)
        # A mean as a sum of weighted words: the shards of a batch add up.
        weights = batch["mask"] / (count or self.count(batch))
        loss, dh, dout_w, dout_b = temporal_affine_softmax_loss(
            h,
            self["out_w"],
            self["out_b"],
            batch["next_words"],
            weights,
            reduction="sum",
            gradients=train,
        )
        if not train:
            return loss, {}
        _, grads = self._states_backward(dh, cache, input_gradient=False)
        return loss, grads | {"out_w": dout_w, "out_b": dout_b}

    def start(self, features: Array) -> State:
        """The state after the images have been read; features (N, F)."""
        image = self.image(self._standardized(to_device(features)))
        return self.cell.step(image, self.cell.start(len(image)))

    def step(self, state: State, words: Array) -> tuple[Array, State]:
        """Log probabilities (N, V) of the next word, and the state after words (N,)."""
        state = self.cell.step(self.words(words), state)
        scores = state[0] @ self["out_w"] + self["out_b"]
        return log_softmax_forward(scores)[0], state
