"""The baselines: every label scored on its own from the features of the photo."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device, to_host
from minicap.arrays.random import RandomStream
from minicap.errors import InputError
from minicap.formats import require_types
from minicap.layers import (
    log_softmax_backward,
    log_softmax_forward,
    sigmoid_bce_loss,
    sigmoid_forward,
    softmax_forward,
    warp_loss,
)
from minicap.models.stages import LastStage
from minicap.multilabel.model import Batch, Tag
from minicap.multilabel.models.fine_tuned import standardized
from minicap.nn import Affine, Dropout, Gradients, Module, Sequential, prefixed
from minicap.nn.init import glorot_uniform


@dataclass(frozen=True)
class LinearConfig:
    """Settings of the linear baselines.

    name: a score for each label from the last stage of the encoder, and nothing else.
    loss: bce, softmax or warp.
    top: as many labels for every photo, those with the highest scores; 0 gives all with a score above 0.
    dropout: rate on the features.
    fine_tune: whether the last stage of the encoder is trained, too.
    """

    name: Literal["linear"] = field(default="linear", kw_only=True)
    loss: Literal["bce", "softmax", "warp"] = "bce"
    top: int = 3
    dropout: float = 0.0
    fine_tune: bool = False

    def __post_init__(self) -> None:
        require_types(self)
        if self.top < 0:
            raise InputError(f"top is {self.top} but must be at least 0")
        if self.loss != "bce" and not self.top:
            raise InputError(f"scores learned with {self.loss} have no natural threshold; set top")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout} but must be at least 0 and below 1")


class LinearTagger(Module):
    """scores = standardized(features) W + b, with one of three losses for labels y (N, K):

    bce      each label is a separate yes-or-no question:  -sum_k y log s(x) + (1 - y) log(1 - s(x))
    softmax  the labels of a photo share its probability evenly:  -1/|y| sum_k y_k log p_k
    warp     labels that are present must outrank those that are not (Weston et al. 2011)

    as Gong et al. 2014 compare them.
    """

    sequential = False

    def __init__(
        self,
        config: LinearConfig,
        stages: tuple[int, ...],
        num_labels: int,
        last: LastStage | None = None,
    ) -> None:
        super().__init__()
        self.config, self.channels = config, stages[-1]
        self.standardized = standardized(stages, last)
        self.scores = Sequential(
            dropout=Dropout(config.dropout), affine=Affine(self.channels, num_labels, glorot_uniform)
        )

    def standardize(self, features: Array) -> None:
        self.standardized.fit(features, self.params["scores.affine.w"].dtype)

    def start_from(self, shares: NDArray[np.floating]) -> None:
        """With bce, labels start as likely as they are frequent, so few photos need not teach that."""
        if self.config.loss == "bce":
            self.params["scores.affine.b"][...] = to_device(np.log(shares / (1 - shares)))

    def forward(self, x: Batch, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        """Scores (N, K) of the labels of every photo."""
        features, standard_cache = self.standardized.forward(x["features"], train, rng)
        scores, cache = self.scores.forward(features[:, -self.channels :], train, rng)
        return scores, (standard_cache, cache, features.shape)

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        """Gradients of the features, as they come from the encoder, and of every parameter."""
        standard_cache, scores_cache, shape = cache
        dlast, grads = self.scores.backward(dout, scores_cache, input_gradient or self.config.fine_tune)
        grads = prefixed("scores", grads)
        if dlast is None:
            return None, grads
        dfeatures = backend_of(dout=dout).xp.zeros(shape, dtype=dout.dtype)
        dfeatures[:, -self.channels :] = dlast
        dfeatures, of_encoder = self.standardized.backward(dfeatures, standard_cache, input_gradient)
        return dfeatures, grads | prefixed("standardized", of_encoder)

    def count(self, batch: Batch) -> int:
        """The number of photos that the loss is a mean over."""
        return len(batch["y"])

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, Gradients]:
        scores, cache = self.forward(batch, train, rng)
        scale = 1 / (count or self.count(batch))
        loss, dscores = self._loss(scores, batch["y"], self.stream(rng) if train else None)
        if not train:
            return scale * loss, {}
        return scale * loss, self.backward(scale * dscores, cache, input_gradient=False)[1]

    def _loss(self, scores: Array, y: Array, rng: RandomStream | None) -> tuple[Array, Array]:
        """The loss summed over the photos, with its gradient."""
        if self.config.loss == "bce":
            return sigmoid_bce_loss(scores, y, reduction="sum")
        if self.config.loss == "warp":
            return warp_loss(scores, y, rng or RandomStream(0), reduction="sum")
        log_p, cache = log_softmax_forward(scores)
        shares = y / backend_of(y=y).xp.maximum(y.sum(axis=1, keepdims=True), 1)
        return -(shares * log_p).sum(), log_softmax_backward(-shares, cache)

    def probabilities(self, features: Array, beam: int = 1) -> NDArray[np.floating]:
        """Of every label on its own with bce; else as shares of 1, since these losses only compare labels."""
        squash = sigmoid_forward if self.config.loss == "bce" else softmax_forward
        found: NDArray[np.floating] = to_host(squash(self({"features": to_device(features)}))[0])
        return found

    def tags(self, features: Array, beam: int = 1) -> list[list[Tag]]:
        scores, probabilities = to_host(self({"features": to_device(features)})), self.probabilities(features)
        found = []
        for row, p in zip(scores, probabilities, strict=True):
            order = np.argsort(-row, kind="stable")
            best = order[: self.config.top] if self.config.top else order[row[order] > 0]
            found.append([Tag(int(k), float(p[k])) for k in best])
        return found
