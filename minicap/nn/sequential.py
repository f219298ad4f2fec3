"""Stacking modules like bricks."""

from collections import Counter
from typing import Any

from minicap.backend.random import RandomStream
from minicap.errors import InputError
from minicap.nn.module import Gradients, Module, prefixed


class Sequential(Module):
    """Modules applied one after another.

    Positional modules are named after their kind and number ("conv1", "relu1", "conv2"); keyword modules
    keep the name they are given.
    """

    def __init__(self, *modules: Module, **named: Module) -> None:
        super().__init__()
        counts: Counter[str] = Counter()
        for module in modules:
            kind = module.kind if hasattr(module, "kind") else type(module).__name__.lower()
            counts[kind] += 1
            setattr(self, f"{kind}{counts[kind]}", module)
        for name, module in named.items():
            if name in vars(self) or hasattr(type(self), name):
                raise InputError(f"Sequential: the name {name!r} is taken; choose another")
            setattr(self, name, module)

    def forward(self, x: Any, train: bool = False, rng: RandomStream | None = None) -> tuple[Any, list[Any]]:
        caches = []
        for index, module in enumerate(self.children.values()):
            x, cache = module.forward(x, train, rng.child(index) if rng else None)
            caches.append(cache)
        return x, caches

    def backward(self, dout: Any, cache: list[Any]) -> tuple[Any, Gradients]:
        return self._backward(list(self.children.items()), dout, cache)

    def parameter_gradients(self, dout: Any, cache: list[Any]) -> Gradients:
        if not self.children:
            return {}
        (name, first), *others = self.children.items()
        dout, grads = self._backward(others, dout, cache[1:])
        return grads | prefixed(name, first.parameter_gradients(dout, cache[0]))

    @staticmethod
    def _backward(modules: list[tuple[str, Module]], dout: Any, cache: list[Any]) -> tuple[Any, Gradients]:
        grads: Gradients = {}
        for (name, module), own_cache in zip(reversed(modules), reversed(cache), strict=True):
            dout, own = module.backward(dout, own_cache)
            grads |= prefixed(name, own)
        return dout, grads
