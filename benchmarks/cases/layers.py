"""Single layers at (64, 32, 32, 32), forward and backward."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.case import Case, Task
from benchmarks.cases.conv import as_a_convolution_leaves_it
from benchmarks.cases.steps import normal, on_shards, parts_of
from benchmarks.torch_mode import TorchMode
from minicap.layers import (
    dropout_backward,
    dropout_forward,
    max_pool_backward,
    max_pool_forward,
    relu_backward,
    relu_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)

SHAPE = (64, 32, 32, 32)
CHANNELS, RATE = SHAPE[1], 0.25
# gamma, beta, running mean, running variance
_STATISTICS = [np.ones, np.zeros, np.zeros, np.ones]


def _statistics() -> list[Any]:
    return [make(CHANNELS, np.float32) for make in _STATISTICS]


# What each layer is called on either side.
_MINICAP: dict[str, tuple[Callable[[Any], tuple[Any, Any]], Callable[[Any, Any], Any]]] = {
    "relu": (relu_forward, relu_backward),
    "max-pool": (max_pool_forward, max_pool_backward),
    "batch-norm": (lambda x: spatial_batchnorm_forward(x, *_statistics()), spatial_batchnorm_backward),
    "dropout": (lambda x: dropout_forward(x, RATE, rng=0), dropout_backward),
}


def _torch_layer(name: str) -> Any:
    from torch import nn

    return {
        "relu": nn.ReLU,
        "max-pool": lambda: nn.MaxPool2d(2),
        "batch-norm": lambda: nn.BatchNorm2d(CHANNELS),
        "dropout": lambda: nn.Dropout(RATE),
    }[name]()


@dataclass(frozen=True)
class Layer:
    """One of the layers above, in training."""

    name: str

    def arrays(self) -> tuple[Any, Any]:
        """x, dout"""
        x = normal(*SHAPE)
        out, _ = _MINICAP[self.name][0](x[:1])
        return x, normal(len(x), *out.shape[1:], seed=1)

    def minicap(self, threads: int) -> Task:
        forward, backward = _MINICAP[self.name]
        x, dout = self.arrays()

        def work(part: dict[str, Any]) -> dict[str, Any]:
            _out, cache = forward(part["x"])
            gradients = backward(part["dout"], cache)
            return dict(zip("wb", gradients[1:], strict=True)) if isinstance(gradients, tuple) else {}

        def answer() -> dict[str, Any]:
            out, cache = forward(x)
            gradients = backward(dout, cache)
            return self.named(x, out, *(gradients if isinstance(gradients, tuple) else (gradients,)))

        parts = parts_of(threads, x=as_a_convolution_leaves_it(x), dout=as_a_convolution_leaves_it(dout))
        return Task(on_shards(work, parts), answer)

    def torch(self, mode: TorchMode) -> Task:
        x, dout = (mode.tensor(array) for array in self.arrays())
        layer = _torch_layer(self.name)
        x.requires_grad_(True)
        leaves = [x, *layer.parameters()]

        def run() -> Any:
            for leaf in leaves:
                leaf.grad = None
            out = layer(x)
            out.backward(dout)
            return out

        def answer() -> dict[str, Any]:
            out = run()
            return self.named(x.detach(), out.detach(), *(leaf.grad for leaf in leaves))

        return Task(run, answer)

    def named(self, x: Any, out: Any, dx: Any, *others: Any) -> dict[str, Any]:
        """The answer.  Frameworks never drop the same entries, but as many, and scale the rest alike."""
        if self.name == "dropout":
            kept = np.asarray(out) != 0
            scale = np.asarray(out)[kept] / np.asarray(x)[kept]
            return {"share kept": kept.mean(), "scale": [scale.min(), scale.max()]}
        return {"out": out, "dx": dx} | dict(zip(("dgamma", "dbeta"), others, strict=False))


CASES = [
    Case(
        f"layer/{name}",
        f"x {SHAPE}, training; forward and backward",
        Layer(name),
        ("torch", "torch-channels-last"),
        tolerance=1e-2 if name == "dropout" else 1e-4,
    )
    for name in _MINICAP
]
