"""Modules in a row that the backend of their input has a faster pair for, run as that pair."""

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
from minicap.nn.module import Gradients, Module
from minicap.nn.pooling import MaxPool2d

Streams = Sequence[RandomStream | None]


class Sandwich(NamedTuple):
    """A pair in place of modules in a row, the first of which owns the parameters.

    options: the pair's arguments beside x and the parameters, from modules, train, and their random streams.
    """

    modules: tuple[type[Module], ...]
    parameters: tuple[str, ...]
    forward: Callable[..., tuple[Any, Any]]
    backward: Callable[..., Any]
    options: Callable[[Sequence[Any], bool, Streams], dict[str, Any]]


SANDWICHES = (
    Sandwich(
        (Conv2d, ReLU),
        ("w", "b"),
        conv_relu_forward,
        conv_relu_backward,
        lambda modules, train, streams: modules[0].options,
    ),
    Sandwich(
        (Affine, ReLU, Dropout),
        ("w", "b"),
        affine_relu_dropout_forward,
        affine_relu_dropout_backward,
        lambda modules, train, streams: dict(rate=modules[2].rate, train=train, rng=streams[2]),
    ),
    Sandwich(
        (Affine, ReLU),
        ("w", "b"),
        affine_relu_dropout_forward,
        affine_relu_dropout_backward,
        lambda modules, train, streams: {},
    ),
    Sandwich(
        (ReLU, MaxPool2d),
        (),
        relu_max_pool_forward,
        relu_max_pool_backward,
        lambda modules, train, streams: modules[1].options,
    ),
)


INSIDE: Any = object()  # stands for the cache of a module that another one's sandwich holds


class SandwichCache(NamedTuple):
    sandwich: Sandwich
    cache: Any  # of its forward

    def backward(self, dout: Array, input_gradient: bool = True) -> tuple[Any, Gradients]:
        """Gradient of the input, None without input_gradient, and of the parameters."""
        backward, names = self.sandwich.backward, self.sandwich.parameters
        if not names:
            return backward(dout, self.cache), {}
        dx, *grads = backward(dout, self.cache, input_gradient=input_gradient)
        return dx, dict(zip(names, grads, strict=True))


def find_sandwich(
    modules: Sequence[Module], x: Any, train: bool, streams: Streams
) -> tuple[Sandwich, dict[str, Any]] | None:
    """The pair that the first of these modules can be run as, with its arguments; None where there is none.

    A module that somebody derived, or whose forward somebody replaced, is left alone.
    """
    for sandwich in SANDWICHES:
        some = modules[: len(sandwich.modules)]
        if tuple(map(type, some)) != sandwich.modules or any("forward" in vars(module) for module in some):
            continue
        parameters = {name: some[0][name] for name in sandwich.parameters}
        arguments = parameters | sandwich.options(some, train, streams)
        if find_override(sandwich.forward.__name__, x, x, **arguments):
            return sandwich, arguments
    return None
