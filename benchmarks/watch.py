"""Which layer of a network is at work: the methods of its layers wrapped for a while."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from benchmarks.case import Case
from benchmarks.cases import all_cases
from benchmarks.cases.networks import Network
from benchmarks.cases.steps import LEARNING_RATE, MOMENTUM
from minicap.arrays.random import RandomStream
from minicap.errors import InputError
from minicap.nn import Module, Supervised
from minicap.optim.rules import Nesterov
from minicap.training.shards import sharded_loss

Phase = Literal["forward", "backward"]
Method = Callable[..., Any]
Wrap = Callable[[str, Module, Phase, Method], Method]


def layers_of(net: Module, path: str = "") -> Iterator[tuple[str, Module]]:
    """The layers of a network under their flat names: modules with parameters, or without children."""
    if net.declared or not net.children:
        yield path, net
    for name, child in net.children.items():
        yield from layers_of(child, f"{path}.{name}" if path else name)


@contextmanager
def watched(net: Module, wrap: Wrap) -> Iterator[None]:
    """Within the block every layer calls wrap(name, layer, phase, method) in place of its methods."""
    layers = list(layers_of(net))
    for name, layer in layers:
        vars(layer)["forward"] = wrap(name, layer, "forward", layer.forward)
        vars(layer)["backward"] = wrap(name, layer, "backward", layer.backward)
    try:
        yield
    finally:
        for _, layer in layers:
            for attribute in ("forward", "backward"):
                vars(layer).pop(attribute, None)


def network_case(name: str) -> Case:
    """The case of that name.  Raises InputError unless it is a training step of a network."""
    cases = all_cases().values()
    steps = {case.name: case for case in cases if isinstance(case.work, Network) and case.work.train}
    if name not in steps:
        raise InputError(f"{name!r} is no training step of a network; there are {', '.join(steps)}")
    return steps[name]


@dataclass
class TrainingStep:
    """A network, a batch, and Nesterov's rule, as minicap's side of a case runs them."""

    work: Network
    shards: int

    def __post_init__(self) -> None:
        x, y = self.work.arrays()
        self.batch = {"x": x, "y": y}
        self.net = self.work.minicap_model()
        self.model = Supervised(self.net)
        self.rule = Nesterov(LEARNING_RATE, MOMENTUM)

    def gradients(self) -> dict[str, Any]:
        """Of every parameter, by shards as the Trainer does it."""
        rng = RandomStream(0).child(self.rule.step_count)
        return sharded_loss(self.model, self.batch, rng, self.shards)[1]

    def update(self, grads: dict[str, Any]) -> None:
        """Move the parameters by Nesterov's rule."""
        self.rule.step(self.model.params, grads)

    def run(self) -> None:
        """The whole step."""
        self.update(self.gradients())
