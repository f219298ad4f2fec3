"""Whole training steps of image classifiers, written as in the paper that tried them on Tiny ImageNet.

The paper leaves the padding open; here every convolution keeps the size of its image.  On CIFAR-10 the last
layer has 10 units instead of 200.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks import im2col
from benchmarks.case import Case, Task
from benchmarks.cases.steps import (
    ANSWER_RATE,
    LEARNING_RATE,
    MOMENTUM,
    minicap_step,
    normal,
    torch_step,
)
from benchmarks.peers import TORCH
from benchmarks.torch_mode import TorchMode, copy_parameters, in_minicap_layout
from minicap.arrays import to_device
from minicap.nn import Affine, Conv2d, Dropout, MaxPool2d, Module, ReLU, Sequential, Supervised

# CONV(filters, window), POOL(factor), FC(units), DROPOUT(rate).
PAPER = {
    "softmax": "FC(200), SOFTMAX",
    "mlp": "FC(512), RELU, FC(200), SOFTMAX",
    "lenet": "CONV(32, 3), RELU, POOL(2), CONV(32, 3), RELU, POOL(2), FC(512), RELU, FC(200), SOFTMAX",
    "cnn1": "CONV(32, 3), RELU, CONV(32, 3), RELU, POOL(2), DROPOUT(0.25), FC(128), RELU, DROPOUT(0.5), "
    "FC(200), SOFTMAX",
    "cnn2": "CONV(32, 3), RELU, CONV(32, 3), RELU, POOL(2), DROPOUT(0.25), CONV(64, 3), RELU, CONV(64, 3), "
    "RELU, POOL(2), DROPOUT(0.25), FC(512), RELU, DROPOUT(0.5), FC(200), SOFTMAX",
    "cnn3": "CONV(16, 5), RELU, POOL(2), CONV(16, 3), RELU, POOL(2), CONV(32, 3), RELU, FC(200), SOFTMAX",
    "cnn4": "CONV(32, 5), RELU, CONV(32, 3), RELU, POOL(2), CONV(64, 3), RELU, POOL(2), CONV(128, 3), RELU, "
    "POOL(2), FC(256), RELU, DROPOUT(0.5), FC(200), SOFTMAX",
    "cnn5": "CONV(64, 5), RELU, CONV(64, 5), RELU, POOL(2), CONV(64, 3), RELU, CONV(64, 3), RELU, "
    "CONV(64, 3), RELU, POOL(2), CONV(128, 3), RELU, FC(256), RELU, DROPOUT(0.5), FC(256), RELU, "
    "DROPOUT(0.5), FC(200), SOFTMAX",
}
# Simonyan & Zisserman 2015, table 1, column D.
VGG16 = ", ".join(
    [f"CONV({filters}, 3), RELU, " * convs + "POOL(2)" for filters, convs in
     ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))]
    + ["FC(4096), RELU, DROPOUT(0.5)"] * 2
    + ["FC(1000), SOFTMAX"]
)  # fmt: skip


class Brick(NamedTuple):
    """A layer with all its sizes.  kind: conv, relu, pool, dropout or fc."""

    kind: str
    inputs: int = 0  # channels or features
    outputs: int = 0
    size: int = 0  # of a window
    rate: float = 0.0


def bricks(spec: str, image: tuple[int, int, int], classes: int) -> list[Brick]:
    """The layers of a network written in the paper's way, for images (C, H, W)."""
    C, H, W = image
    found = []
    layers = re.findall(r"([A-Z]+)(?:\(([\d., ]+)\))?", spec)
    last_fc = max(i for i, (kind, _) in enumerate(layers) if kind == "FC")
    for i, (kind, text) in enumerate(layers):
        numbers = [float(n) if "." in n else int(n) for n in text.split(",")] if text else []
        match kind, numbers:
            case "CONV", [filters, size]:
                found.append(Brick("conv", C, int(filters), int(size)))
                C = int(filters)
            case "POOL", [factor]:
                found.append(Brick("pool", size=int(factor)))
                H, W = H // int(factor), W // int(factor)
            case "FC", [units]:
                units = classes if i == last_fc else int(units)
                found.append(Brick("fc", C * H * W, units))
                C, H, W = units, 1, 1
            case "DROPOUT", [rate]:
                found.append(Brick("dropout", rate=rate))
            case "RELU", []:
                found.append(Brick("relu"))
            case "SOFTMAX", []:
                pass  # the loss
            case _:
                raise ValueError(f"no layer is written {kind}({text})")
    return found


def minicap_net(layers: list[Brick]) -> Sequential:
    """The network in minicap."""
    make: dict[str, Callable[[Brick], Module]] = {
        "conv": lambda brick: Conv2d(brick.inputs, brick.outputs, brick.size, pad="same"),
        "relu": lambda brick: ReLU(),
        "pool": lambda brick: MaxPool2d(brick.size),
        "dropout": lambda brick: Dropout(brick.rate),
        "fc": lambda brick: Affine(brick.inputs, brick.outputs),
    }
    return Sequential(*(make[brick.kind](brick) for brick in layers))


def torch_net(layers: list[Brick], names: list[str]) -> Any:
    """The network in torch, its layers under minicap's names."""
    from torch import nn

    make = {
        "conv": lambda brick: nn.Conv2d(brick.inputs, brick.outputs, brick.size, padding=brick.size // 2),
        "relu": lambda brick: nn.ReLU(),
        "pool": lambda brick: nn.MaxPool2d(brick.size),
        "dropout": lambda brick: nn.Dropout(brick.rate),
        "fc": lambda brick: nn.Linear(brick.inputs, brick.outputs),
    }
    net = nn.Sequential()
    for name, brick in zip(names, layers, strict=True):
        if brick.kind == "fc" and not hasattr(net, "flatten"):
            net.add_module("flatten", nn.Flatten())
        net.add_module(name, make[brick.kind](brick))
    return net


@dataclass(frozen=True)
class Network:
    """A classifier of N images; train: a training step, else the scores alone."""

    spec: str
    N: int
    image: tuple[int, int, int]
    classes: int
    train: bool = True

    @property
    def about(self) -> str:
        work = "training step" if self.train else "scores"
        return f"{work}, {self.N} images {self.image}, {self.classes} classes"

    @property
    def layers(self) -> list[Brick]:
        return bricks(self.spec, self.image, self.classes)

    def arrays(self) -> tuple[Any, Any]:
        """x, y"""
        return normal(self.N, *self.image), np.random.default_rng(0).integers(self.classes, size=self.N)

    def minicap_model(self) -> Module:
        return minicap_net(self.layers).initialize(seed=0)

    def torch_model(self, ours: Module) -> Any:
        return torch_net(self.layers, list(ours.children))

    def minicap(self, threads: int) -> Task:
        x, y = map(to_device, self.arrays())
        net = self.minicap_model()
        if not self.train:
            return Task(lambda: net(x), lambda: {"scores": net(x)})
        has_statistics = bool(net.state)
        return minicap_step(
            Supervised(net), {"x": x, "y": y}, threads, answer_shards=1 if has_statistics else None
        )

    def torch(self, mode: TorchMode) -> Task:
        import torch

        x, y = (mode.tensor(array) for array in self.arrays())
        ours = self.minicap_model()
        net = self.torch_model(ours)
        copy_parameters(net, ours.params)
        net = mode.model(net)
        if not self.train:
            scores = mode.compile(net.eval())

            def infer() -> Any:
                with torch.inference_mode():
                    return scores(x)

            return Task(mode.run(infer), lambda: {"scores": infer()})
        classifier = torch.nn.Module()
        classifier.net = net
        params = {f"net.{name}": array for name, array in ours.params.items()}
        return torch_step(
            classifier,
            lambda: torch.nn.functional.cross_entropy(net(x), y),
            mode,
            lambda: in_minicap_layout(classifier, params),
        )

    def cs231n(self) -> Task:
        x, y = self.arrays()
        ours = self.minicap_model()
        net = im2col.Net(self.layers, list(ours.children), ours.params)

        def answer() -> dict[str, Any]:
            before = {name: w.copy() for name, w in net.params.items()}
            loss = net.step(x, y, rate=ANSWER_RATE, momentum=MOMENTUM, dropout=False)
            steps = {f"step of net.{name}": w - before[name] for name, w in net.params.items()}
            return {"loss": loss} | steps

        return Task(lambda: net.step(x, y, LEARNING_RATE, MOMENTUM), answer)

    def dezero(self) -> Task:
        import dezero
        import dezero.functions as F
        import dezero.layers as L
        from dezero.optimizers import Optimizer

        x, y = self.arrays()
        ours = self.minicap_model()
        model = L.Layer()
        calls: list[Any] = []
        for name, brick in zip(ours.children, self.layers, strict=True):
            match brick.kind:
                case "conv" | "fc":
                    layer = (
                        L.Conv2d(brick.outputs, brick.size, pad=brick.size // 2, in_channels=brick.inputs)
                        if brick.kind == "conv"
                        else L.Linear(brick.outputs, in_size=brick.inputs)
                    )
                    layer.W.data, layer.b.data = ours.params[f"{name}.w"], ours.params[f"{name}.b"]
                    setattr(model, name, layer)
                    calls.append(layer if brick.kind == "conv" else lambda x, fc=layer: fc(F.flatten(x)))
                case "relu":
                    calls.append(F.relu)
                case "pool":
                    calls.append(lambda x, size=brick.size: F.pooling(x, size, size))
                case "dropout":
                    calls.append(lambda x, rate=brick.rate: F.dropout(x, rate))

        class Nesterov(Optimizer):
            """DeZero has no such rule, so it is given one."""

            def __init__(self, rate: float) -> None:
                super().__init__()
                self.rate, self.v = rate, dict[int, Any]()

            def update_one(self, param: Any) -> None:
                v = self.v.setdefault(id(param), np.zeros_like(param.data))
                v *= MOMENTUM
                v -= self.rate * param.grad.data
                param.data += MOMENTUM * v - self.rate * param.grad.data

        def step(optimizer: Nesterov) -> Any:
            out = x
            for call in calls:
                out = call(out)
            loss = F.softmax_cross_entropy(out, y)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            return loss.data

        def answer() -> dict[str, Any]:
            before = {name: w.copy() for name, w in ours.params.items()}
            with dezero.using_config("train", False):  # only dropout looks at it
                loss = step(Nesterov(ANSWER_RATE).setup(model))
            return {"loss": loss} | {f"step of net.{n}": w - before[n] for n, w in ours.params.items()}

        optimizer = Nesterov(LEARNING_RATE).setup(model)
        return Task(lambda: step(optimizer), answer)


def classifier_case(
    name: str, work: Network, peers: tuple[str, ...] = TORCH, tolerance: float = 1e-2, **options: Any
) -> Case:
    """A case of a classifier, its rate in images."""
    return Case(name, work.about, work, peers, tolerance, items=work.N, unit="images", **options)


_DATA_SETS = {"tiny": ((3, 64, 64), 200), "cifar": ((3, 32, 32), 10)}

CASES = [
    classifier_case(f"step/{name}-{data}", Network(spec, 64, *sizes), (*TORCH, "dezero", "cs231n"))
    for name, spec in PAPER.items()
    for data, sizes in _DATA_SETS.items()
] + [
    classifier_case(f"vgg16/{name}", Network(VGG16, 8, (3, 224, 224), 1000, train=name == "train"), slow=True)
    for name in ("infer", "train")
]
