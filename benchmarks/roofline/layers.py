"""What each layer of a training step does, and how long it takes."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, prod
from statistics import mean, median
from time import perf_counter
from typing import Any, NamedTuple

from benchmarks.floor import FLOAT
from benchmarks.watch import Phase, TrainingStep, layers_of, watched
from minicap.backend.cpu.conv import WinogradCache
from minicap.backend.cpu.conv.transforms import transforms
from minicap.nn import Affine, Conv2d, MaxPool2d, Module


@dataclass(frozen=True)
class Work:
    """One layer in one direction, all shards of the batch together.

    algorithm: of a convolution, else empty.  flops: multiplications and additions of the direct algorithm;
    a layer that only compares or scales counts one an entry.  multiplied: those in the products that were
    really made.  bytes: all inputs, outputs and weights that it has to read or write, once.
    """

    layer: str
    phase: Phase
    algorithm: str
    flops: float
    multiplied: float
    bytes: float
    seconds: float

    @property
    def intensity(self) -> float:
        """flops per byte."""
        return self.flops / self.bytes

    @property
    def rate(self) -> float:
        """flops a second."""
        return self.flops / self.seconds


class _Call(NamedTuple):
    """One shard's turn in a layer."""

    seconds: float
    inputs: tuple[int, ...]  # shape
    outputs: tuple[int, ...]
    cache: type


class _Calls:
    """Every call of every layer; its `wrap` is for benchmarks.watch.watched."""

    def __init__(self) -> None:
        self.steps: list[dict[tuple[str, Phase], list[_Call]]] = []
        self.lock = threading.Lock()

    def wrap(self, name: str, layer: Module, phase: Phase, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(array: Any, *args: Any, **kwargs: Any) -> Any:
            started = perf_counter()
            result = method(array, *args, **kwargs)
            seconds = perf_counter() - started
            outputs, cache = result if phase == "forward" else (array, args[0])
            call = _Call(seconds, array.shape, outputs.shape, type(cache))
            with self.lock:
                self.steps[-1].setdefault((name, phase), []).append(call)
            return result

        return timed

    def seconds(self, name: str, phase: Phase) -> float:
        """Median over the steps of the mean over the shards, which work at the same time."""
        return median(mean(call.seconds for call in step[name, phase]) for step in self.steps)


def measure_layers(step: TrainingStep, count: int) -> list[Work]:
    """Every layer forward and backward, in the midst of `count` training steps after one to warm up."""
    calls = _Calls()
    step.run()
    with watched(step.net, calls.wrap):
        for _ in range(count):
            calls.steps.append({})
            step.run()
    (first, _), *_ = layers = list(layers_of(step.net))
    return [work for name, layer in layers for work in _both_ways(name, layer, calls, name == first)]


def _both_ways(name: str, layer: Module, calls: _Calls, is_first: bool) -> tuple[Work, Work]:
    """What a layer does forward and backward; the first layer makes no gradient of its inputs."""
    shards = calls.steps[-1][name, "forward"]
    inputs = sum(prod(call.inputs) for call in shards)
    outputs = sum(prod(call.outputs) for call in shards)
    weights = sum(w.size for w in layer.own.values())
    flops = _flops(layer, outputs)
    saved = _winograd_saves(layer, shards[0].outputs) if shards[0].cache is WinogradCache else 1.0
    algorithm = _words(shards[0].cache.__name__.removesuffix("Cache")) if isinstance(layer, Conv2d) else ""

    def work(phase: Phase, flops: float, entries: int) -> Work:
        size = FLOAT * entries
        return Work(name, phase, algorithm, flops, flops / saved, size, calls.seconds(name, phase))

    dinputs = 0 if is_first else inputs
    if not weights:
        return work("forward", flops, inputs + outputs), work("backward", flops, outputs + dinputs)
    products = 1 if is_first else 2  # for the gradient of the weights, and that of the inputs
    return (
        work("forward", flops, inputs + weights + outputs),
        work("backward", products * flops, outputs + inputs + dinputs + 2 * weights),
    )


def _flops(layer: Module, outputs: int) -> float:
    """Of the forward."""
    match layer:
        case Conv2d():
            return 2 * outputs * layer["w"][0].size
        case Affine():
            return 2 * outputs * len(layer["w"])
        case MaxPool2d():
            return outputs * (layer.options["size"] ** 2 - 1)
    return outputs


def _winograd_saves(layer: Module, outputs: tuple[int, ...]) -> float:
    """How many times fewer products it makes than the direct algorithm, tiles over the edge included."""
    t = transforms(layer["w"].shape[2], layer["w"].dtype)
    H, W = outputs[2:]
    return H * W * t.r**2 / (ceil(H / t.m) * ceil(W / t.m) * len(t.BT) ** 2)


def _words(name: str) -> str:
    """FewChannels -> few channels"""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip()
