"""A network that sorts its input into classes."""

from typing import Any

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.layers.losses import softmax_loss
from minicap.nn.module import Gradients, Module, prefixed

Batch = dict[str, Array]


class Classifier(Module):
    """A network with scores (N, K) as output, trained with the softmax loss.

    A batch is {"x": (N, ...), "y": (N,) class indices}.
    """

    def __init__(self, net: Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return self.net.forward(x, train, rng)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        dx, grads = self.net.backward(dout, cache)
        return dx, prefixed("net", grads)

    def parameter_gradients(self, dout: Array, cache: Any) -> Gradients:
        return prefixed("net", self.net.parameter_gradients(dout, cache))

    def count(self, batch: Batch) -> int:
        """What the loss is a mean over: samples."""
        return len(batch["y"])

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, Gradients]:
        """Loss and gradients of every parameter.

        count: divide by this instead of the batch's own count, so that the losses and gradients of the
        shards of a batch add up to those of the whole.
        """
        # In evaluation nothing is kept for a backward.
        scores, cache = self.net.forward(batch["x"], train, rng) if train else (self.net(batch["x"]), None)
        loss, dscores = softmax_loss(scores, batch["y"], reduction="sum")
        scale = 1 / (count or self.count(batch))
        if not train:
            return loss * scale, {}
        return loss * scale, self.parameter_gradients(dscores * scale, cache)
