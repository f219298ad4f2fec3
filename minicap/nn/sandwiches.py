"""What a Sequential does next: call a module, or a faster pair that replaces several in a row."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from minicap.arrays import Array
from minicap.arrays.dispatch import find_override
from minicap.arrays.random import RandomStream
from minicap.layers.sandwiches import (
    affine_relu_dropout_backward,
    affine_relu_dropout_forward,
    conv_relu_backward,
    conv_relu_forward,
    relu_max_pool_backward,
    relu_max_pool_forward,
)
from minicap.nn.activations import ReLU
from minicap.nn.affine import Affine
from minicap.nn.conv import Conv2d
from minicap.nn.dropout import Dropout
from minicap.nn.module import Gradients, Module, prefixed
from minicap.nn.pooling import MaxPool2d

Options = Callable[[Sequence[Any], bool, RandomStream | None], dict[str, Any]]


class Sandwich(NamedTuple):
    """A pair that replaces modules in a row, the first of which owns the parameters.

    options: the pair's arguments other than x and the parameters, from modules, train and rng.
    """

    modules: tuple[type[Module], ...]
    forward: Callable[..., tuple[Any, Any]]
    backward: Callable[..., Any]
    options: Options


SANDWICHES = (
    Sandwich(
        (Conv2d, ReLU),
        conv_relu_forward,
        conv_relu_backward,
        lambda modules, train, rng: modules[0].options,
    ),
    Sandwich(
        (Affine, ReLU, Dropout),
        affine_relu_dropout_forward,
        affine_relu_dropout_backward,
        lambda modules, train, rng: dict(modules[2].options, train=train, rng=modules[2].stream(rng)),
    ),
    Sandwich(
        (Affine, ReLU),
        affine_relu_dropout_forward,
        affine_relu_dropout_backward,
        lambda modules, train, rng: {},
    ),
    Sandwich(
        (ReLU, MaxPool2d),
        relu_max_pool_forward,
        relu_max_pool_backward,
        lambda modules, train, rng: modules[1].options,
    ),
)


class ModuleStep(NamedTuple):
    """A module that runs on its own."""

    name: str
    module: Module
    train: bool
    rng: RandomStream | None

    def __call__(self, x: Any) -> Any:
        return self.module(x)

    def forward(self, x: Any) -> tuple[Any, Any]:
        return self.module.forward(x, self.train, self.rng)

    def backward(self, dout: Any, cache: Any, input_gradient: bool) -> tuple[Any, Gradients]:
        dx, grads = self.module.backward(dout, cache, input_gradient)
        return dx, prefixed(self.name, grads)


class SandwichStep(NamedTuple):
    """A pair that runs in place of several modules, with their parameters and options as its arguments."""

    name: str  # of the first module
    sandwich: Sandwich
    parameters: dict[str, Array]
    options: dict[str, Any]

    def __call__(self, x: Any) -> Any:
        return self.forward(x)[0]

    def forward(self, x: Any) -> tuple[Any, Any]:
        return self.sandwich.forward(x, **self.parameters, **self.options)

    def backward(self, dout: Any, cache: Any, input_gradient: bool) -> tuple[Any, Gradients]:
        if not self.parameters:
            return self.sandwich.backward(dout, cache), {}
        dx, *grads = self.sandwich.backward(dout, cache, input_gradient=input_gradient)
        return dx, prefixed(self.name, dict(zip(self.parameters, grads, strict=False)))


Step = ModuleStep | SandwichStep
Named = list[tuple[str, Module]]


def next_step(named: Named, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Step, Named]:
    """What to do with x, which the first of these modules is to read, and the modules that are left then.

    A module that somebody derived, or whose forward somebody replaced, runs as it is.
    """
    name, first = named[0]
    for sandwich in SANDWICHES:
        some = [module for _, module in named[: len(sandwich.modules)]]
        if tuple(map(type, some)) != sandwich.modules or any("forward" in vars(module) for module in some):
            continue
        parameters, options = {w: first[w] for w in first.declared}, sandwich.options(some, train, rng)
        if find_override(sandwich.forward, x, x, **parameters, **options):
            return SandwichStep(name, sandwich, parameters, options), named[len(some) :]
    return ModuleStep(name, first, train, rng), named[1:]
