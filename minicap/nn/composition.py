"""Ways to compose modules: one after another, around a shortcut, side by side."""

from collections import Counter
from functools import reduce
from operator import add
from typing import Any

from minicap.arrays.random import RandomStream
from minicap.errors import InputError, ShapeError
from minicap.layers.shape import concat_backward, concat_forward
from minicap.nn.module import Gradients, Module, prefixed
from minicap.nn.sandwiches import Step, next_step


class Composition(Module):
    """Named modules.

    Positional modules are named after their kind and number ("conv1", "relu1", "conv2"); keyword modules
    keep their keyword.  Raises InputError for anything but a module and for a name that is taken.
    """

    def __init__(self, *modules: Module, **named: Module) -> None:
        super().__init__()
        who = type(self).__name__
        for module in (*modules, *named.values()):
            if not isinstance(module, Module):
                raise InputError(f"{who}: {module!r} is not a module; write {who}(Affine(3, 2), ReLU())")
        counts: Counter[str] = Counter()
        for module in modules:
            kind = module.kind if hasattr(module, "kind") else type(module).__name__.lower()
            counts[kind] += 1
            setattr(self, f"{kind}{counts[kind]}", module)
        for name, module in named.items():
            if name in vars(self) or hasattr(type(self), name):
                raise InputError(f"{who}: the name {name!r} is taken; choose another")
            setattr(self, name, module)


class Sequential(Composition):
    """Modules applied one after another.

    Positional modules are named after their kind and number ("conv1", "relu1", "conv2"); keyword modules
    keep their keyword.  Raises InputError for anything but a module and for a name that is taken.
    """

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Any, Any]:
        done: list[tuple[Step, Any]] = []
        rest = list(self.children.items())
        while rest:
            step, rest = next_step(rest, x, train, rng)
            x, cache = step.forward(x)
            done.append((step, cache))
        return x, done

    def __call__(self, x: Any) -> Any:
        """As forward, in evaluation mode; each cache is dropped at once, which frees its memory."""
        if type(self).forward is not Sequential.forward or "forward" in vars(self):  # it was replaced
            return super().__call__(x)
        rest = list(self.children.items())
        while rest:
            step, rest = next_step(rest, x, train=False)
            x = step(x)
        return x

    def backward(self, dout: Any, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        grads: Gradients = {}
        for index, (step, own_cache) in reversed([*enumerate(cache)]):
            dout, own = step.backward(dout, own_cache, input_gradient or index > 0)
            grads |= own
        return dout if input_gradient else None, grads


class Residual(Module):
    """out = body(x) + shortcut(x), by default body(x) + x (He et al. 2016, eq. 1 and 2)."""

    def __init__(self, body: Module, shortcut: Module | None = None) -> None:
        super().__init__()
        self.body = body
        self.shortcut = Sequential() if shortcut is None else shortcut

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Any, Any]:
        out, body_cache = self.body.forward(x, train, rng)
        beside, shortcut_cache = self.shortcut.forward(x, train, rng)
        self._require_one_shape(out, beside)
        return out + beside, (body_cache, shortcut_cache)

    def __call__(self, x: Any) -> Any:
        out, beside = self.body(x), self.shortcut(x)
        self._require_one_shape(out, beside)
        return out + beside

    def _require_one_shape(self, out: Any, beside: Any) -> None:
        """Nothing is broadcast."""
        if out.shape != beside.shape:
            raise ShapeError(
                f"Residual: the body gives {out.shape} but the shortcut {beside.shape}; "
                "give it a shortcut that ends in the body's shape"
            )

    def backward(self, dout: Any, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        body_cache, shortcut_cache = cache
        dx, body = self.body.backward(dout, body_cache, input_gradient)
        dbeside, shortcut = self.shortcut.backward(dout, shortcut_cache, input_gradient)
        grads = prefixed("body", body) | prefixed("shortcut", shortcut)
        return dx + dbeside if input_gradient else None, grads


class Branches(Composition):
    """Modules side by side: all read x, and their outputs are concatenated along axis 1, in order.

    Positional and keyword modules are named as in Sequential.  Raises InputError for fewer than two.
    """

    def __init__(self, *modules: Module, **named: Module) -> None:
        super().__init__(*modules, **named)
        if len(self.children) < 2:
            raise InputError("Branches: give two or more modules; one alone needs no Branches")

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Any, Any]:
        outs, caches = zip(*(child.forward(x, train, rng) for child in self.children.values()), strict=True)
        out, concat_cache = concat_forward(*outs, axis=1)
        return out, (caches, concat_cache)

    def __call__(self, x: Any) -> Any:
        return concat_forward(*(child(x) for child in self.children.values()), axis=1)[0]

    def backward(self, dout: Any, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        caches, concat_cache = cache
        dxs, grads = [], Gradients()
        for (name, child), own_cache, dpart in zip(
            self.children.items(), caches, concat_backward(dout, concat_cache), strict=True
        ):
            dx, own = child.backward(dpart, own_cache, input_gradient)
            dxs.append(dx)
            grads |= prefixed(name, own)
        return reduce(add, dxs) if input_gradient else None, grads
