"""What captioners that produce one word after another have in common."""

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, to_device
from minicap.arrays.random import RandomStream
from minicap.captioning.model import Batch
from minicap.decoding import Extras, State
from minicap.errors import InputError, ShapeError
from minicap.layers import log_softmax_forward, temporal_affine_softmax_loss
from minicap.layers.temporal import temporal_affine_backward, temporal_affine_forward
from minicap.nn import Dropout, Embedding, Gradients, Module
from minicap.nn.init import Initializer, given, glorot_uniform, normal, zeros
from minicap.nn.standardization import channel_moments


class NextWordModel(Module):
    """A table of words, scores over the vocabulary, and their loss; the subclass supplies what lies between.

        x_t = table[word_t],   h_t = ... (features, x_0 ... x_t),   scores_t = dropout(h_t) W + b.

    The features are standardised by the mean and deviation of the training photos (`standardize`).
    A subclass writes `hidden` and `hidden_backward` for whole captions, and `start` and `advance` for
    decoding word by word.  See minicap.captioning.model.CaptioningModel for the batches.
    """

    reads: ClassVar[str] = "pooled"
    label_smoothing = 0.0

    def __init__(
        self,
        config: Any,
        feature_size: int,
        vocabulary_size: int,
        log_frequency: NDArray[np.float64] | None = None,
        hidden_size: int | None = None,  # of h, if the config does not give it
    ) -> None:
        super().__init__()
        self.config, self.feature_size = config, feature_size
        self.words = Embedding(vocabulary_size, config.embed_size, normal(0.1))
        self.buffers = {"feature_mean": np.zeros(feature_size), "feature_std": np.ones(feature_size)}
        self.dropout = Dropout(config.dropout)
        hidden_size = config.hidden_size if hidden_size is None else hidden_size
        self.declare("out_w", (hidden_size, vocabulary_size), glorot_uniform)
        # Words start as likely as they are frequent, so the first epoch need not learn that.
        bias: Initializer = zeros if log_frequency is None else given(log_frequency)
        self.declare("out_b", (vocabulary_size,), bias)

    def hidden(self, batch: Batch, train: bool, rng: RandomStream | None) -> tuple[Array, Extras, Any]:
        """h (N, T, H) after every word of the batch, extras of every step (N, T, ...), and the cache."""
        raise NotImplementedError(f"{type(self).__name__}.hidden")

    def hidden_backward(
        self, dh: Array, dextras: Extras, cache: Any, input_gradient: bool
    ) -> tuple[Any, Gradients]:
        """Gradients of the features (None without input_gradient) and of all parameters on the way.

        dextras: gradients of the extras that have one.
        """
        raise NotImplementedError(f"{type(self).__name__}.hidden_backward")

    def penalty(self, extras: Extras, mask: Array) -> tuple[Any, Extras]:
        """What training adds to the cross-entropy, summed over the captions, and its gradients."""
        return 0.0, {}

    def start(self, features: Array) -> State:
        """The state after the photos have been read."""
        raise NotImplementedError(f"{type(self).__name__}.start")

    def advance(self, state: State, words: Array) -> tuple[Array, State, Extras]:
        """h (N, H) after words (N,), the state and the extras of this step."""
        raise NotImplementedError(f"{type(self).__name__}.advance")

    def standardize(self, features: Array) -> None:
        """Take the mean and standard deviation of the features of the training photos.

        Raises ShapeError for features of another size than the model's.
        """
        self._check_features(features)
        mean, std, of_all = channel_moments(features)
        # A channel that never fires in training must not become huge on the first photo where it does.
        for name, values in (("feature_mean", mean), ("feature_std", np.maximum(std, 1e-3 * of_all))):
            self.buffers[name] = to_device(values.astype(self["out_b"].dtype))

    def standardized(self, features: Array) -> Array:
        """The features as the model reads them.  Raises ShapeError when they are not of its kind."""
        self._check_features(features)
        return (features - self.buffers["feature_mean"]) / self.buffers["feature_std"]

    def _check_features(self, features: Array) -> None:
        axes = {"pooled": "N", "grid": "N, S"}[self.reads]
        size = self.feature_size  # one number per photo would fit too, by broadcasting
        if features.ndim != len(axes.split()) + 1 or features.shape[-1] != size:
            raise ShapeError(
                f"{type(self).__name__}: features is {features.shape} but must be ({axes}, {size})"
            )

    def forward(self, x: Batch, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        """Scores (N, T, V) of the next word after every word of the batch.

        Raises InputError if x is not a batch, ShapeError for arrays that do not fit.
        """
        if not isinstance(x, dict):
            raise InputError(
                f'{type(self).__name__}: x must be a batch, {{"features": (N, F), "words": (N, T)}}'
            )
        h, _, cache = self._dropped(x, train, rng)
        scores, scores_cache = temporal_affine_forward(h, self["out_w"], self["out_b"])
        return scores, (cache, scores_cache)

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        """Gradients of the image features and of every parameter."""
        cache, scores_cache = cache
        dh, dout_w, dout_b = temporal_affine_backward(dout, scores_cache)
        dfeatures, grads = self._dropped_backward(dh, {}, cache, input_gradient)
        return dfeatures, grads | {"out_w": dout_w, "out_b": dout_b}

    def _dropped(self, batch: Batch, train: bool, rng: RandomStream | None) -> tuple[Array, Extras, Any]:
        h, extras, cache = self.hidden(batch, train, rng)
        h, dropout_cache = self.dropout.forward(h, train, rng)
        return h, extras, (cache, dropout_cache)

    def _dropped_backward(
        self, dh: Array, dextras: Extras, cache: Any, input_gradient: bool
    ) -> tuple[Any, Gradients]:
        cache, dropout_cache = cache
        dh, _ = self.dropout.backward(dh, dropout_cache)
        dfeatures, grads = self.hidden_backward(dh, dextras, cache, input_gradient)
        return dfeatures / self.buffers["feature_std"] if input_gradient else None, grads

    def count(self, batch: Batch) -> int:
        """The number of words that the loss is a mean over, <end> included."""
        return int(batch["mask"].sum())

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, Gradients]:
        """Cross-entropy per word, plus the model's penalty in training, and its gradients.

        count: divide by this instead of the batch's own count, so that shards add up.
        """
        h, extras, cache = self._dropped(batch, train, rng)
        # The mean is a sum of weighted words, so that the shards of a batch add up.
        scale = 1 / (count or self.count(batch))
        weights = batch["mask"] * scale
        if "weights" in batch:
            weights = weights * batch["weights"][:, None]
        loss, dh, dout_w, dout_b = temporal_affine_softmax_loss(
            h,
            self["out_w"],
            self["out_b"],
            batch["next_words"],
            weights,
            reduction="sum",
            label_smoothing=self.label_smoothing if train else 0.0,
            gradients=train,
        )
        if not train:
            return loss, {}
        penalty, dextras = self.penalty(extras, batch["mask"])
        dextras = {name: scale * gradient for name, gradient in dextras.items()}
        _, grads = self._dropped_backward(dh, dextras, cache, input_gradient=False)
        return loss + scale * penalty, grads | {"out_w": dout_w, "out_b": dout_b}

    def step(self, state: State, words: Array) -> tuple[Array, State, Extras]:
        """Log probabilities (N, V) of the next word, the state after words (N,), and the step's extras."""
        h, state, extras = self.advance(state, words)
        return log_softmax_forward(h @ self["out_w"] + self["out_b"])[0], state, extras
