"""Single layers at (64, 32, 32, 32) or of as many entries."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.case import Case, Task
from benchmarks.cases.conv import as_a_convolution_leaves_it
from benchmarks.cases.steps import normal, on_shards, parts_of
from benchmarks.torch_mode import TorchMode
from minicap.layers import (
    dropout_backward,
    dropout_forward,
    layernorm_backward,
    layernorm_forward,
    max_pool_backward,
    max_pool_forward,
    relu_backward,
    relu_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
)

IMAGES, WORDS = (64, 32, 32, 32), (64, 64, 512)
CHANNELS, FEATURES, RATE = IMAGES[1], WORDS[2], 0.25


def _ones_and_zeros(*makes: Callable[..., Any], size: int = CHANNELS) -> list[Any]:
    return [make(size, np.float32) for make in makes]


def _batchnorm_forward(x: Any, train: bool = True) -> Any:
    gamma, beta, mean, var = _ones_and_zeros(np.ones, np.zeros, np.zeros, np.ones)
    return spatial_batchnorm_forward(x, gamma, beta, mean, var, train=train)


def _torch(name: str, *args: Any) -> Callable[[], Any]:
    def make() -> Any:
        from torch import nn

        return getattr(nn, name)(*args)

    return make


class Kind(NamedTuple):
    """What a layer is called on either side.

    plain: images lie in N, C, H, W order, not as a convolution leaves them.
    backward: None where the forward is timed alone, in evaluation.
    """

    forward: Callable[[Any], tuple[Any, Any]]
    backward: Callable[[Any, Any], Any] | None
    torch: Callable[[], Any]
    shape: tuple[int, ...] = IMAGES
    plain: bool = False


_BATCH_NORM = _torch("BatchNorm2d", CHANNELS)
KINDS = {
    "relu": Kind(relu_forward, relu_backward, _torch("ReLU")),
    "max-pool": Kind(max_pool_forward, max_pool_backward, _torch("MaxPool2d", 2)),
    "batch-norm": Kind(_batchnorm_forward, spatial_batchnorm_backward, _BATCH_NORM),
    "batch-norm-nchw": Kind(_batchnorm_forward, spatial_batchnorm_backward, _BATCH_NORM, plain=True),
    "batch-norm-eval": Kind(lambda x: _batchnorm_forward(x, train=False), None, _BATCH_NORM),
    "batch-norm-eval-nchw": Kind(lambda x: _batchnorm_forward(x, train=False), None, _BATCH_NORM, plain=True),
    "layer-norm": Kind(
        lambda x: layernorm_forward(x, *_ones_and_zeros(np.ones, np.zeros, size=FEATURES)),
        layernorm_backward,
        _torch("LayerNorm", FEATURES),
        WORDS,
        plain=True,
    ),
    "dropout": Kind(lambda x: dropout_forward(x, RATE, rng=0), dropout_backward, _torch("Dropout", RATE)),
}


@dataclass(frozen=True)
class Layer:
    """One of the layers above."""

    name: str

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    def arrays(self) -> tuple[Any, Any]:
        """x, dout"""
        x = normal(*self.kind.shape)
        out, _ = self.kind.forward(x[:1])
        return x, normal(len(x), *out.shape[1:], seed=1)

    def minicap(self, threads: int) -> Task:
        forward, backward = self.kind.forward, self.kind.backward
        x, dout = self.arrays()
        arrays = [x, dout] if self.kind.plain else [as_a_convolution_leaves_it(a) for a in (x, dout)]

        def work(part: dict[str, Any]) -> dict[str, Any]:
            _out, cache = forward(part["x"])
            gradients = backward(part["dout"], cache) if backward else {}
            return dict(zip("wb", gradients[1:], strict=True)) if isinstance(gradients, tuple) else {}

        def answer() -> dict[str, Any]:
            out, cache = forward(x)
            gradients = backward(dout, cache) if backward else ()
            return self.named(x, out, *(gradients if isinstance(gradients, tuple) else (gradients,)))

        if backward is None:  # as model(x) runs it
            return Task(lambda: forward(arrays[0]), answer)
        return Task(on_shards(work, parts_of(threads, x=arrays[0], dout=arrays[1])), answer)

    def torch(self, mode: TorchMode) -> Task:
        import torch

        x, dout = (mode.tensor(array) for array in self.arrays())
        layer = self.kind.torch()
        if self.kind.backward is None:
            layer.eval()

            def infer() -> Any:
                with torch.inference_mode():
                    return layer(x)

            return Task(infer, lambda: self.named(x, infer()))
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

    def named(self, x: Any, out: Any, *gradients: Any) -> dict[str, Any]:
        """The answer.  Frameworks never drop the same entries, but as many, and scale the rest alike."""
        if self.name == "dropout":
            kept = np.asarray(out) != 0
            scale = np.asarray(out)[kept] / np.asarray(x)[kept]
            return {"share kept": kept.mean(), "scale": [scale.min(), scale.max()]}
        return {"out": out} | dict(zip(("dx", "dgamma", "dbeta"), gradients, strict=False))


def _about(kind: Kind) -> str:
    memory = ", N, C, H, W memory" if kind.plain and kind.shape is IMAGES else ""
    phases = "training; forward and backward" if kind.backward else "evaluation; forward"
    return f"x {kind.shape}{memory}, {phases}"


CASES = [
    Case(
        f"layer/{name}",
        _about(kind),
        Layer(name),
        ("torch", "torch-channels-last"),
        tolerance=1e-2 if name == "dropout" else 1e-4,
    )
    for name, kind in KINDS.items()
]
