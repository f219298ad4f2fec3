"""A network with one thing changed: its nonlinearity, its initial weights or its dropout."""

from collections.abc import Callable

from minicap.nn import Dropout, Module, ReLU, Sequential
from minicap.nn.init import Initializer


def with_activation(net: Sequential, make: Callable[[], Module]) -> Sequential:
    """The layers of a network with another nonlinearity in place of each ReLU."""
    return Sequential(*(make() if isinstance(layer, ReLU) else layer for layer in net.children.values()))


def with_dropout(net: Sequential, factor: float) -> Sequential:
    """The layers of a network with its dropout rates times a factor; for 0, without its dropout layers."""
    layers = [
        Dropout(factor * layer.options["rate"]) if isinstance(layer, Dropout) else layer
        for layer in net.children.values()
    ]
    return Sequential(*(layer for layer in layers if factor or not isinstance(layer, Dropout)))


def with_draw(net: Module, draw: Initializer) -> Module:
    """The same network, with another distribution to draw its weights (but not its biases) from."""
    for module in net.modules():
        if "w" in module.declared:
            module.declare("w", module.declared["w"].shape, draw)
    return net
