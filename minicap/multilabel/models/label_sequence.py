"""What the models that predict one label after another have in common."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device, to_host
from minicap.arrays.random import RandomStream
from minicap.decoding import Extras, Hypothesis, State, beam_search
from minicap.layers import log_softmax_forward, temporal_softmax_loss
from minicap.models.stages import LastStage
from minicap.multilabel.model import Batch, Tag
from minicap.multilabel.models.fine_tuned import standardized
from minicap.nn import Embedding, Gradients, Module, prefixed
from minicap.nn.init import glorot_uniform


class Reading(NamedTuple):
    """What a model has read from a photo before the first label.

    h0, c0: (N, H), the state that the decoder starts from.
    places: (N, S, H), what attention looks at; None without attention.
    """

    h0: Array
    c0: Array
    places: Any = None


class LabelSequenceModel(Module):
    """Predicts the labels of a photo one after another, in the same order for all photos, <end> last:

        p(y_1 ... y_T | photo) = prod_t p(y_t | y_1 ... y_t-1, photo),

    each a softmax over the K labels and <end>.  In training each step reads the correct label before it.
    To predict a set rather than a list, no label is said twice, and beginnings in a beam with the same labels
    in another order count as one.
    A subclass writes `read` (from features to the start), `decode` (from labels to scores), their backwards,
    and `advance`, one step of `decode`.  <end> has index K and <start> K + 1.
    """

    sequential = True

    def __init__(
        self,
        config: Any,
        stages: tuple[int, ...],
        num_labels: int,
        last: LastStage | None = None,
    ) -> None:
        super().__init__()
        self.config, self.stages, self.num_labels = config, stages, num_labels
        self.end, self.begin = num_labels, num_labels + 1
        self.standardized = standardized(stages, last)
        self.labels = Embedding(num_labels + 2, config.embed_size, glorot_uniform)

    def read(self, features: Array, train: bool, rng: RandomStream | None) -> tuple[Reading, Any]:
        """From standardised features (N, F1 + F2 + ...) to what decoding starts from, and the cache."""
        raise NotImplementedError(f"{type(self).__name__}.read")

    def read_backward(self, dreading: Reading, cache: Any) -> tuple[Any, Gradients]:
        """Gradients of the features (0 for none) and of the parameters."""
        raise NotImplementedError(f"{type(self).__name__}.read_backward")

    def decode(
        self, x: Array, reading: Reading, features: Array, train: bool, rng: RandomStream | None
    ) -> tuple[Array, Any]:
        """Scores (N, T, K + 2) of the label after each embedded label x (N, T, E), and the cache."""
        raise NotImplementedError(f"{type(self).__name__}.decode")

    def decode_backward(self, dscores: Array, cache: Any) -> tuple[Array, Reading, Array | int, Gradients]:
        """Gradients of x, of the reading, of the features (0 for none) and of the parameters."""
        raise NotImplementedError(f"{type(self).__name__}.decode_backward")

    def begun(self, reading: Reading, features: Array) -> State:
        """The state before <start> is read."""
        raise NotImplementedError(f"{type(self).__name__}.begun")

    def advance(self, state: State, x: Array) -> tuple[Array, State, Extras]:
        """Scores (N, K + 2) after one more embedded label x (N, E), the next state, the step's extras."""
        raise NotImplementedError(f"{type(self).__name__}.advance")

    def standardize(self, features: Array) -> None:
        self.standardized.fit(features, self.labels["table"].dtype)

    def start_from(self, shares: NDArray[np.floating]) -> None:
        """Nothing to do: labels compete for every step, so none starts out likely."""

    def forward(self, x: Batch, train: bool, rng: RandomStream | None = None) -> tuple[Array, Any]:
        """Scores (N, T, K + 2) of the label that follows each of the batch's "labels"."""
        features, standard_cache = self.standardized.forward(x["features"], train, rng)
        reading, read_cache = self.read(features, train, rng)
        embedded, labels_cache = self.labels.forward(x["labels"], train)
        scores, decode_cache = self.decode(embedded, reading, features, train, rng)
        return scores, (standard_cache, read_cache, labels_cache, decode_cache)

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        """Gradients of the features, as they come from the encoder, and of every parameter."""
        standard_cache, read_cache, labels_cache, decode_cache = cache
        dembedded, dreading, ddirect, grads = self.decode_backward(dout, decode_cache)
        _, of_labels = self.labels.backward(dembedded, labels_cache)
        dread, of_reading = self.read_backward(dreading, read_cache)
        for name, gradient in {**prefixed("labels", of_labels), **of_reading}.items():
            grads[name] = grads[name] + gradient if name in grads else gradient
        dfeatures, of_encoder = self.standardized.backward(dread + ddirect, standard_cache, input_gradient)
        return dfeatures, grads | prefixed("standardized", of_encoder)

    def count(self, batch: Batch) -> int:
        """The number of labels that the loss is a mean over, <end> included."""
        return int(batch["mask"].sum())

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, Gradients]:
        if self.config.order == "own":
            batch = self.in_own_order(batch)
        scores, cache = self.forward(batch, train, rng)
        weights = batch["mask"] * (1 / (count or self.count(batch)))
        loss, dscores = temporal_softmax_loss(scores, batch["next_labels"], weights, reduction="sum")
        if not train:
            return loss, {}
        return loss, self.backward(dscores, cache, input_gradient=False)[1]

    def in_own_order(self, batch: Batch) -> Batch:
        """The batch with the labels of each photo in the order that the model prefers.

        The label of the photo that the model finds most probable comes first, then the most probable of the
        others, and so on, so that no order is imposed on the model (Chen et al. 2018).
        """
        rows, length = np.arange(len(batch["y"])), batch["labels"].shape[1]
        left = np.pad(to_host(batch["y"]) > 0, [(0, 0), (0, 2)])  # labels not yet said; <end>, <start>
        said = np.full((len(rows), length + 1), self.begin)
        state = self.start(batch["features"])
        for t in range(length):
            log_probs, state, _ = self.step(state, to_device(said[:, t]))
            left[:, self.end] = ~left[:, : self.num_labels].any(axis=1)
            said[:, t + 1] = np.where(left, to_host(log_probs), -np.inf).argmax(axis=1)
            left[rows, said[:, t + 1]] = False
        return batch | {"labels": to_device(said[:, :-1]), "next_labels": to_device(said[:, 1:])}

    def start(self, features: Array) -> State:
        """The state after the photos have been read; features (N, F1 + F2 + ...)."""
        features, _ = self.standardized.forward(to_device(features), False)
        reading, _ = self.read(features, False, None)
        return self.begun(reading, features)

    def step(self, state: State, labels: Array) -> tuple[Array, State, Extras]:
        """Log probabilities (N, K + 2) of the next label, the state after labels (N,), and the extras."""
        scores, state, extras = self.advance(state, self.labels(labels))
        log_probs, _ = log_softmax_forward(scores)
        probabilities = backend_of(scores=scores).xp.exp(log_probs)
        return log_probs, state, {"probability": probabilities, **extras}

    def tags(self, features: Array, beam: int = 1) -> list[list[Tag]]:
        return [_tags(found[0]) for found in self.hypotheses(features, beam)]

    def probabilities(self, features: Array, beam: int = 1) -> NDArray[np.floating]:
        """The highest probability that each label has at any step of the most probable set, (N, K).

        A label given is most probable just before it is said, one that is not given may come close to it at
        any step (the category-wise maximum over steps of Wang et al. 2017).
        """
        found = [to_host(best[0].extras["probability"]) for best in self.hypotheses(features, beam)]
        return np.stack([of_steps[:, : self.num_labels].max(axis=0) for of_steps in found])

    def hypotheses(self, features: Array, beam: int = 1) -> list[list[Hypothesis]]:
        """For every photo the sets of labels that were found, the most probable first."""
        longest = self.num_labels + 1  # all labels and <end>
        found = beam_search(
            self.step,
            self.start(features),
            self.begin,
            self.end,
            longest,
            beam,
            forbid=lambda said: (*said, self.begin),
        )
        return [as_sets(hypotheses) for hypotheses in found]


def as_sets(hypotheses: list[Hypothesis]) -> list[Hypothesis]:
    """Merge hypotheses with the same labels into one that keeps the most probable order; best first.

    The probability of a set is the sum over all its orders, of which a beam has seen some.
    """
    sets: dict[tuple[frozenset[int], bool], Hypothesis] = {}
    for one in hypotheses:
        key = frozenset(one.words), one.finished
        first = sets.setdefault(key, one)
        if first is not one:
            total = float(np.logaddexp(first.log_prob, one.log_prob))
            sets[key] = replace(max(first, one, key=lambda h: h.score), log_prob=total, score=total)
    return sorted(sets.values(), key=lambda h: (not h.finished, -h.log_prob))


def _tags(found: Hypothesis) -> list[Tag]:
    extras = found.extras
    looked = extras["attention"].tolist() if "attention" in extras else [()] * len(found.words)
    return [Tag(k, float(extras["probability"][t, k]), tuple(looked[t])) for t, k in enumerate(found.words)]
