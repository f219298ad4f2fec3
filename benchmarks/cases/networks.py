"""Whole training steps of image classifiers: those of minicap.models."""

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
from benchmarks.torch_networks import torch_peer
from minicap.arrays import to_device
from minicap.models import SMALL_NETWORKS, fast_cifar, vgg
from minicap.nn import Affine, Conv2d, Dropout, MaxPool2d, ReLU, Sequential, Supervised

Make = Callable[[tuple[int, int, int], int], Sequential]


def vgg16(image: tuple[int, int, int], classes: int) -> Sequential:
    """For square photos."""
    return vgg(16, classes, image_size=image[1])


def record(image: tuple[int, int, int], classes: int) -> Sequential:
    """The network of the CIFAR-10 record; its size of photo is its own."""
    return fast_cifar(classes)


class Brick(NamedTuple):
    """A layer with all its sizes.  kind: conv, relu, pool, dropout or fc."""

    kind: str
    inputs: int = 0  # channels or features
    outputs: int = 0
    size: int = 0  # of a window
    rate: float = 0.0


def bricks(net: Sequential) -> dict[str, Brick]:
    """The layers of a plain stack by their names, for peers that have no modules like ours."""
    found: dict[str, Brick] = {}
    for name, module in net.children.items():
        match module:
            case Sequential():
                found |= {f"{name}.{inner}": brick for inner, brick in bricks(module).items()}
            case Conv2d():
                outputs, inputs, size, _ = module.declared["w"].shape
                found[name] = Brick("conv", inputs, outputs, size)
            case Affine():
                found[name] = Brick("fc", *module.declared["w"].shape)
            case MaxPool2d():
                found[name] = Brick("pool", size=module.options["size"])
            case Dropout():
                found[name] = Brick("dropout", rate=module.options["rate"])
            case ReLU():
                found[name] = Brick("relu")
            case _:
                raise ValueError(f"no peer has a {type(module).__name__}")
    return found


@dataclass(frozen=True)
class Network:
    """A classifier of N images; train: a training step, else the scores alone."""

    make: Make
    N: int
    image: tuple[int, int, int]
    classes: int
    train: bool = True

    @property
    def about(self) -> str:
        work = "training step" if self.train else "scores"
        return f"{work}, {self.N} images {self.image}, {self.classes} classes"

    @property
    def layers(self) -> dict[str, Brick]:
        return bricks(self.make(self.image, self.classes))

    def arrays(self) -> tuple[Any, Any]:
        """x, y"""
        return normal(self.N, *self.image), np.random.default_rng(0).integers(self.classes, size=self.N)

    def minicap_model(self) -> Sequential:
        return self.make(self.image, self.classes).initialize(seed=0)

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
        net = torch_peer(ours)
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
        net = im2col.Net(self.layers, ours.params)

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
        for name, brick in self.layers.items():
            match brick.kind:
                case "conv" | "fc":
                    layer = (
                        L.Conv2d(brick.outputs, brick.size, pad=brick.size // 2, in_channels=brick.inputs)
                        if brick.kind == "conv"
                        else L.Linear(brick.outputs, in_size=brick.inputs)
                    )
                    layer.W.data, layer.b.data = ours.params[f"{name}.w"], ours.params[f"{name}.b"]
                    setattr(model, name.replace(".", "_"), layer)
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

CASES = (
    [
        classifier_case(f"step/{name}-{data}", Network(make, 64, *sizes), (*TORCH, "dezero", "cs231n"))
        for name, make in SMALL_NETWORKS.items()
        for data, sizes in _DATA_SETS.items()
    ]
    + [
        classifier_case("step/fast_cifar", Network(record, 256, (3, 32, 32), 10), slow=True),
    ]
    + [
        classifier_case(
            f"vgg16/{name}", Network(vgg16, 8, (3, 224, 224), 1000, train=name == "train"), slow=True
        )
        for name in ("infer", "train")
    ]
)
