"""A network with a loss: what the Trainer trains."""

from collections.abc import Callable
from functools import reduce
from inspect import signature
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device, to_host
from minicap.arrays.random import RandomStream
from minicap.errors import InputError
from minicap.layers.losses import mse_loss, sigmoid_bce_loss, softmax_loss, svm_loss
from minicap.nn.heads import WithHeads
from minicap.nn.module import Gradients, Module, prefixed

Batch = dict[str, Array]
Loss = Callable[..., tuple[Array, Array]]
Metric = Callable[[Any, Any], float]


_ANSWERS: dict[Loss, Callable[[NDArray[Any]], NDArray[Any]]] = {
    softmax_loss: lambda scores: scores.argmax(axis=-1),
    svm_loss: lambda scores: scores.argmax(axis=-1),
    sigmoid_bce_loss: lambda scores: scores > 0,
    mse_loss: lambda scores: scores,
}


class Supervised(Module):
    """A network with a loss that compares its scores with targets.

    A batch is {"x": the network's input, "y": the targets as the loss takes them}: for softmax_loss and
    svm_loss (N,) class indices, for sigmoid_bce_loss (N, K) answers in [0, 1], for mse_loss values like the
    scores.
    loss: loss(scores, y, reduction="sum") gives the loss and the gradient of the scores.
    label_smoothing: for training, if the loss has it; evaluation goes without, so that losses of different
    runs can be compared.
    metrics: by name, each a function of all scores and targets of a set, as in minicap.metrics.
    """

    def __init__(
        self,
        net: Module,
        loss: Loss = softmax_loss,
        metrics: dict[str, Metric] | None = None,
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if not isinstance(net, Module) or not callable(loss):
            raise InputError(
                f"Supervised: {net!r:.40} and {loss!r:.40} are not a module and a loss function; "
                "write Supervised(Affine(3, 2), softmax_loss)"
            )
        if label_smoothing and "label_smoothing" not in signature(loss).parameters:
            raise InputError(f"Supervised: {loss.__name__} has no label_smoothing; leave it at 0")
        self.smoothing = {"label_smoothing": label_smoothing} if label_smoothing else {}
        self.net = net
        self.loss_function, self.metrics = loss, metrics or {}

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Any, Any]:
        """The scores and the network's cache."""
        return self.net.forward(x, train, rng)

    def __call__(self, x: Any) -> Any:
        return self.net(x)

    def backward(self, dout: Any, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        dx, grads = self.net.backward(dout, cache, input_gradient)
        return dx, prefixed("net", grads)

    def scores(self, batch: Batch) -> Array:
        """The network's output for a batch, in evaluation mode."""
        return self.net(batch["x"])

    def predict(self, x: Array, batch_size: int = 256) -> NDArray[Any]:
        """The answers for samples x (N, ...), on the host, a few samples at a time.

        For softmax_loss and svm_loss the class (N,) with the highest score, for sigmoid_bce_loss whether each
        answer (N, K) is yes, for mse_loss the scores themselves.
        Raises InputError for another loss, and for no samples.
        """
        if self.loss_function not in _ANSWERS:
            raise InputError(
                "Supervised.predict: what the scores mean is not known for this loss; call the model on x"
            )
        if len(x) == 0 or batch_size < 1:
            raise InputError(
                f"Supervised.predict: {len(x)} samples, batch_size {batch_size}; both must be at least 1"
            )
        starts = range(0, len(x), batch_size)
        scores = [to_host(self(to_device(x[start : start + batch_size]))) for start in starts]
        answers: NDArray[Any] = _ANSWERS[self.loss_function](np.concatenate(scores))
        return answers

    def count(self, batch: Batch) -> int:
        """How many targets the loss averages over: samples, where each has one."""
        return int(batch["y"].size)

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, Gradients]:
        """Loss and gradients of every parameter; in evaluation there are none.

        count: divides the sums instead of the batch's own count, so that the losses and gradients of a
        batch's shards add up to those of the whole.
        """
        scale = 1 / (count or self.count(batch))
        if not train:
            loss, _ = self.loss_function(self.scores(batch), batch["y"], reduction="sum")
            return loss * scale, {}
        scores, cache = self.forward(batch["x"], train, rng)
        loss, dscores = self._training_loss(scores, batch["y"])
        return loss * scale, self.backward(dscores * scale, cache, input_gradient=False)[1]

    def _training_loss(self, scores: Array, y: Array) -> tuple[Array, Array]:
        """Where the network has heads, their scores' losses are added, each with the weight of a head."""
        if not (isinstance(self.net, WithHeads) and self.net.heads):
            return self.loss_function(scores, y, reduction="sum", **self.smoothing)
        xp = backend_of(scores=scores).xp
        weights = [1.0, *[self.net.weight] * len(self.net.heads)]
        each = [self.loss_function(own, y, reduction="sum", **self.smoothing) for own in scores]
        losses, dscores = zip(*each, strict=True)
        return (
            reduce(add, (weight * own for weight, own in zip(weights, losses, strict=True))),
            xp.stack([weight * own for weight, own in zip(weights, dscores, strict=True)]),
        )
