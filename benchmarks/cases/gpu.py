"""What is measured on a GPU: its ceilings, whole steps, a layer, and passes over large arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.case import Case, Task
from benchmarks.cases.captions import CaptionStep
from benchmarks.cases.networks import Network, classifier_case, vgg16
from benchmarks.cases.recurrent import RecurrentLayer
from benchmarks.cases.steps import normal
from benchmarks.floor import FLOAT, Cost, convolution, product, update
from benchmarks.torch_mode import TorchMode
from minicap.arrays import backend_of, to_device
from minicap.layers import (
    dropout_backward,
    dropout_forward,
    max_pool_backward,
    max_pool_forward,
    relu_backward,
    relu_forward,
    temporal_softmax_loss,
)
from minicap.models import cnn2
from minicap.optim.rules import Adam

COPY, PRODUCT = "ceiling/copy", "ceiling/product"
LEARNING_RATE = 1e-3


@dataclass(frozen=True)
class Copy:
    """A copy of an array of that many float32 numbers, from device to device."""

    size: int

    @property
    def gigabytes(self) -> float:
        """Read and written."""
        return 2 * FLOAT * self.size / 1e9

    def minicap(self, threads: int) -> Task:
        x = to_device(normal(self.size))
        out = backend_of(x=x).xp.empty_like(x)

        def run() -> Any:
            out[...] = x
            return out

        return Task(run, lambda: {"out": run()})

    def torch(self, mode: TorchMode) -> Task:
        x = mode.tensor(normal(self.size))
        out = x.new_empty(self.size)
        return Task(mode.run(lambda: out.copy_(x)), lambda: {"out": out.copy_(x)})


@dataclass(frozen=True)
class Product:
    """A product of two square matrices."""

    size: int

    @property
    def gflop(self) -> float:
        return 2 * self.size**3 / 1e9

    def arrays(self) -> list[Any]:
        return [normal(self.size, self.size, seed=seed, scale=self.size**-0.5) for seed in range(2)]

    def minicap(self, threads: int) -> Task:
        a, b = map(to_device, self.arrays())
        out = backend_of(a=a).xp.empty_like(a)

        def run() -> Any:
            return backend_of(a=a).xp.matmul(a, b, out=out)

        return Task(run, lambda: {"out": run()})

    def torch(self, mode: TorchMode) -> Task:
        import torch

        a, b = map(mode.tensor, self.arrays())
        out = torch.empty_like(a)
        return Task(mode.run(lambda: torch.mm(a, b, out=out)), lambda: {"out": torch.mm(a, b)})


class _Layer(NamedTuple):
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    torch: tuple[Any, ...]  # torch's name of it, and what it takes
    moves: float  # how often arrays of the size of x are read or written, at the least


_LAYERS = {
    # x, out; out or x, dout, dx
    "relu": _Layer(relu_forward, relu_backward, ("ReLU",), 5),
    # x, out; dout, dx; out is a quarter of x
    "max-pool": _Layer(max_pool_forward, max_pool_backward, ("MaxPool2d", 2), 2.5),
    # x, out; dout, dx; the mask can be drawn again
    "dropout": _Layer(lambda x: dropout_forward(x, 0.5, rng=0), dropout_backward, ("Dropout", 0.5), 4),
}


@dataclass(frozen=True)
class Pass:
    """A layer over large images, in training; forward and backward."""

    layer: str
    shape: tuple[int, int, int, int] = (128, 64, 56, 56)

    @property
    def costs(self) -> list[Cost]:
        return [Cost(0, _LAYERS[self.layer].moves * FLOAT * float(np.prod(self.shape)))]

    def arrays(self) -> tuple[Any, Any]:
        """x, dout"""
        N, C, H, W = self.shape
        out = (N, C, H // 2, W // 2) if self.layer == "max-pool" else self.shape
        return normal(*self.shape), normal(*out, seed=1)

    def minicap(self, threads: int) -> Task:
        layer = _LAYERS[self.layer]
        x, dout = map(to_device, self.arrays())

        def run() -> tuple[Any, Any]:
            out, cache = layer.forward(x)
            return out, layer.backward(dout, cache)

        return Task(run, lambda: self.named(*run()))

    def torch(self, mode: TorchMode) -> Task:
        from torch import nn

        x, dout = map(mode.tensor, self.arrays())
        name, *options = _LAYERS[self.layer].torch
        layer = getattr(nn, name)(*options)
        x.requires_grad_(True)

        def run() -> tuple[Any, Any]:
            x.grad = None
            out = layer(x)
            out.backward(dout)
            return out, x.grad

        return Task(mode.run(run), lambda: self.named(*run()))

    def named(self, out: Any, dx: Any) -> dict[str, Any]:
        """The answer.  Libraries never drop the same entries, but as many."""
        if self.layer == "dropout":
            return {"share kept": (out != 0).sum() / float(np.prod(self.shape))}
        return {"out": out, "dx": dx}


@dataclass(frozen=True)
class Loss:
    """Softmax loss of scores (N, T, V) and its gradient."""

    N: int = 128
    T: int = 16
    V: int = 10_000

    @property
    def costs(self) -> list[Cost]:
        """The scores are read and their gradient written; a row fits into a cache."""
        return [Cost(0, 2.0 * FLOAT * self.N * self.T * self.V)]

    def arrays(self) -> tuple[Any, Any]:
        """scores, y"""
        y = np.random.default_rng(0).integers(self.V, size=(self.N, self.T))
        return normal(self.N, self.T, self.V), y

    def minicap(self, threads: int) -> Task:
        scores, y = map(to_device, self.arrays())
        weights = to_device(np.full(y.shape, 1 / y.size, np.float32))

        def run() -> tuple[Any, Any]:
            return temporal_softmax_loss(scores, y, weights, reduction="sum")

        return Task(run, lambda: dict(zip(("loss", "dscores"), run(), strict=True)))

    def torch(self, mode: TorchMode) -> Task:
        import torch

        scores, y = map(mode.tensor, self.arrays())
        scores.requires_grad_(True)

        def run() -> tuple[Any, Any]:
            scores.grad = None
            loss = torch.nn.functional.cross_entropy(scores.reshape(-1, self.V), y.reshape(-1))
            loss.backward()
            return loss, scores.grad

        return Task(mode.run(run), lambda: dict(zip(("loss", "dscores"), run(), strict=True)))


@dataclass(frozen=True)
class Update:
    """A step of Adam on parameters of these sizes."""

    sizes: tuple[int, ...] = (1 << 22,) * 8

    @property
    def costs(self) -> list[Cost]:
        """Parameters, gradients and two memories are read, all but the gradients written."""
        return [update(sum(self.sizes), reads=4, writes=3)]

    def arrays(self, seed: int) -> dict[str, Any]:
        return {f"w{i}": normal(size, seed=seed + i) for i, size in enumerate(self.sizes)}

    def minicap(self, threads: int) -> Task:
        params, grads = ({n: to_device(a) for n, a in self.arrays(seed).items()} for seed in (0, 100))
        rule = Adam(LEARNING_RATE)

        def run() -> dict[str, Any]:
            rule.step(params, grads)
            return params

        return Task(run, run)

    def torch(self, mode: TorchMode) -> Task:
        import torch

        params, grads = ({n: mode.tensor(a) for n, a in self.arrays(seed).items()} for seed in (0, 100))
        for param, grad in zip(params.values(), grads.values(), strict=True):
            param.grad = grad
        optimizer = torch.optim.Adam(
            params.values(), LEARNING_RATE, fused=mode.fused or None, capturable=mode.graph
        )

        def run() -> dict[str, Any]:
            optimizer.step()
            return params

        return Task(mode.run(run), run)


def network_costs(network: Network) -> list[Cost]:
    """Of its convolutions and affine layers; what stands between them is taken as part of them."""
    costs, parameters, (_, H, W) = [], 0, network.image
    layers = (brick for brick in network.layers.values() if brick.kind in ("conv", "pool", "fc"))
    for number, brick in enumerate(layers):
        passes = (3 if number else 2) if network.train else 1
        if brick.kind == "pool":
            H, W = H // brick.size, W // brick.size
            continue
        if brick.kind == "conv":
            costs.append(convolution(network.N, brick.inputs, brick.outputs, brick.size, H, W, passes))
        else:
            costs.append(product(network.N, brick.outputs, brick.inputs, passes))
        parameters += brick.inputs * brick.outputs * (brick.size**2 if brick.kind == "conv" else 1)
    # Nesterov's rule: parameter, gradient and velocity are read, all but the gradient written.
    return [*costs, update(parameters, reads=3, writes=2)] if network.train else costs


def lstm_costs(N: int, T: int, D: int, H: int) -> list[Cost]:
    """Of an LSTM forward and backward: the products of all inputs, and one by one those of the states."""
    forward, backward = product(N, 4 * H, H, passes=1), product(N, H, 4 * H, passes=1)
    all_steps = product(N * T, 4 * H, H, passes=1)  # the gradient of the weights waits for nobody
    return [product(N * T, 4 * H, D), *[forward, backward] * T, all_steps]


def captioner_costs(step: CaptionStep) -> list[Cost]:
    """Of its products, the loss over all scores, and Nesterov's rule."""
    N, T, D, H, V, F = step.N, step.T, step.D, step.H, step.V, step.F
    parameters = F * D + V * D + 4 * H * (D + H + 1) + V * (H + 1)
    loss = Loss(N, T, V).costs
    products = [product(N, D, F, passes=2), *lstm_costs(N, T + 1, D, H), product(N * T, V, H)]
    return [*products, *loss, update(parameters, reads=3, writes=2)]


def bandwidth_case(name: str, about: str, work: Any, tolerance: float = 1e-4) -> Case:
    """A case that only moves numbers."""
    moved = sum(cost.bytes for cost in work.costs) / 1e9
    return Case(
        f"bandwidth/{name}",
        about,
        work,
        ("torch", "floor"),
        tolerance,
        items=moved,
        unit="GB",
        costs=work.costs,
    )


# All but torch.compile, which has nothing to compile in cuDNN's recurrent layers.
_EAGER = ("torch", "torch-tf32", "torch-graph", "torch-graph-tf32", "floor", "floor-tf32")
_ALL = (*_EAGER, "torch-compile")

_CNN2 = Network(cnn2, 256, (3, 32, 32), 10)
_VGG16 = {train: Network(vgg16, 32, (3, 224, 224), 1000, train) for train in (True, False)}
_CAPTIONER = CaptionStep(128, 512, 512, 10_000, F=4096)
_LSTM = RecurrentLayer("lstm", 128, 512, 512)
_COPY, _PRODUCT = Copy(1 << 27), Product(8192)

CEILINGS = [
    Case(COPY, "of 512 MiB, from device to device", _COPY, ("torch",), items=_COPY.gigabytes, unit="GB"),
    Case(
        PRODUCT,
        f"of two matrices ({_PRODUCT.size}, {_PRODUCT.size})",
        _PRODUCT,
        ("torch", "torch-tf32"),
        tolerance=1e-3,
        items=_PRODUCT.gflop,
        unit="GFLOP",
    ),
]

CASES = [
    *CEILINGS,
    classifier_case("step/cnn2", _CNN2, _ALL, costs=network_costs(_CNN2)),
    Case(
        "step/captioner",
        "training step, 128 captions of 16 words, F 4096, D 512, H 512, V 10,000",
        _CAPTIONER,
        _ALL,
        tolerance=1e-3,
        items=_CAPTIONER.N,
        unit="captions",
        costs=captioner_costs(_CAPTIONER),
    ),
    Case(
        "layer/lstm",
        "N 128, T 16, D 512, H 512; forward and backward",
        _LSTM,
        _EAGER,
        tolerance=1e-3,
        costs=lstm_costs(_LSTM.N, _LSTM.T, _LSTM.D, _LSTM.H),
    ),
    classifier_case("step/vgg16", _VGG16[True], _ALL, costs=network_costs(_VGG16[True])),
    classifier_case("scores/vgg16", _VGG16[False], _ALL, costs=network_costs(_VGG16[False])),
    bandwidth_case("softmax", "loss and gradient of scores (128, 16, 10000)", Loss()),
    bandwidth_case("adam", "a step on 8 arrays of 4 M parameters", Update()),
    bandwidth_case("relu", "x (128, 64, 56, 56), forward and backward", Pass("relu")),
    bandwidth_case("max-pool", "x (128, 64, 56, 56), forward and backward", Pass("max-pool")),
    bandwidth_case("dropout", "x (128, 64, 56, 56), forward and backward", Pass("dropout"), 1e-2),
]
