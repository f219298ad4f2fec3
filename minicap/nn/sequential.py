"""Stacking modules like bricks."""

from collections import Counter
from typing import Any

from minicap.arrays.random import RandomStream
from minicap.errors import InputError
from minicap.nn.module import Gradients, Module, prefixed
from minicap.nn.sandwiches import INSIDE, SandwichCache, find_sandwich


class Sequential(Module):
    """Modules applied one after another.

    Positional modules are named after their kind and number ("conv1", "relu1", "conv2"); keyword modules
    keep the name they are given.  Raises InputError for what is no module and for a name that is taken.

    Modules in a row that the backend of x has a faster pair for (minicap.layers.sandwiches), on a GPU a
    convolution and its ReLU for example, run as that pair; its cache then stands in the place of the first's.
    """

    def __init__(self, *modules: Module, **named: Module) -> None:
        super().__init__()
        for module in (*modules, *named.values()):
            if not isinstance(module, Module):
                raise InputError(
                    f"Sequential: {module!r} is not a module; write Sequential(Affine(3, 2), ReLU())"
                )
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
        caches: list[Any] = []
        modules = list(self.children.values())
        streams = [rng.child(index) if rng else None for index in range(len(modules))]
        while (start := len(caches)) < len(modules):
            if found := find_sandwich(modules[start:], x, train, streams[start:]):
                sandwich, arguments = found
                x, cache = sandwich.forward(x, **arguments)
                caches += [SandwichCache(sandwich, cache), *[INSIDE] * (len(sandwich.modules) - 1)]
            else:
                x, cache = modules[start].forward(x, train, streams[start])
                caches.append(cache)
        return x, caches

    def __call__(self, x: Any) -> Any:
        """As forward, in evaluation; every cache is dropped at once, so the next layer has its memory."""
        if getattr(self.forward, "__func__", None) is not Sequential.forward:  # somebody wrote another one
            return super().__call__(x)
        modules = list(self.children.values())
        while modules:
            if found := find_sandwich(modules, x, False, [None] * len(modules)):
                sandwich, arguments = found
                x = sandwich.forward(x, **arguments)[0]
                modules = modules[len(sandwich.modules) :]
            else:
                x = modules.pop(0)(x)
        return x

    def backward(self, dout: Any, cache: list[Any]) -> tuple[Any, Gradients]:
        return self._backward(list(self.children.items()), dout, cache)

    def parameter_gradients(self, dout: Any, cache: list[Any]) -> Gradients:
        if not self.children:
            return {}
        (name, first), *others = self.children.items()
        dout, grads = self._backward(others, dout, cache[1:])
        if isinstance(cache[0], SandwichCache):
            own = cache[0].backward(dout, input_gradient=False)[1]
        else:
            own = first.parameter_gradients(dout, cache[0])
        return grads | prefixed(name, own)

    @staticmethod
    def _backward(modules: list[tuple[str, Module]], dout: Any, cache: list[Any]) -> tuple[Any, Gradients]:
        grads: Gradients = {}
        for (name, module), own_cache in zip(reversed(modules), reversed(cache), strict=True):
            if own_cache is INSIDE:
                continue
            if isinstance(own_cache, SandwichCache):
                dout, own = own_cache.backward(dout)
            else:
                dout, own = module.backward(dout, own_cache)
            grads |= prefixed(name, own)
        return dout, grads
