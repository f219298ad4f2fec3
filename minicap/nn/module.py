"""Module: an object that owns named parameters and calls layer pairs."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from minicap.arrays import Array, to_device, to_host
from minicap.arrays.random import RandomStream
from minicap.errors import InputError, ShapeError
from minicap.nn.init import Initializer, Shape
from minicap.nn.summary import Summary, summarize

Gradients = dict[str, Array]


class Declared(NamedTuple):
    """A parameter before it has numbers: its shape and how to draw it."""

    shape: Shape
    draw: Initializer


class Module:
    """Owns named parameters and calls layer pairs.

    A subclass declares its parameters, and writes forward and backward from layer functions.  Nothing is
    remembered between the two: forward hands out a cache, backward takes it, as the layers do.  So one
    module can serve several shards of a batch at once.

    Modules set as attributes are its children; their parameters appear as "child.name".
    """

    def __init__(self) -> None:
        self.declared: dict[str, Declared] = {}
        self.own: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}

    def forward(self, x: Any, train: bool = False, rng: RandomStream | None = None) -> tuple[Any, Any]:
        """Outputs and the cache that backward needs.  rng: randomness of dropout, when train is True."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(self, dout: Any, cache: Any) -> tuple[Any, Gradients]:
        """Gradient of the input, and of every parameter by its name."""
        raise NotImplementedError(f"{type(self).__name__}.backward")

    def parameter_gradients(self, dout: Any, cache: Any) -> Gradients:
        """Gradients of the parameters alone, for a network's first layers: nobody needs its input's."""
        return self.backward(dout, cache)[1]

    def __call__(self, x: Any) -> Any:
        """Outputs in evaluation mode."""
        return self.forward(x)[0]

    def declare(self, name: str, shape: Shape, draw: Initializer) -> None:
        """Announce a parameter; `initialize` gives it numbers."""
        self.declared[name] = Declared(shape, draw)

    def initialize(self, seed: int = 0, dtype: Any = np.float32) -> "Module":
        """Draw every parameter on the current backend; the same seed gives the same model.

        Each parameter has a stream of its own, named after it, so that adding a layer changes no other.
        """
        for path, module, name in self._slots():
            rng = np.random.default_rng([seed, crc32(path.encode())])
            shape, draw = module.declared[name]
            module.own[name] = to_device(np.ascontiguousarray(draw(rng, shape), dtype))
        for module in self.modules():
            module.buffers = {name: to_device(to_host(b).astype(dtype)) for name, b in module.buffers.items()}
        return self

    def __getitem__(self, name: str) -> Array:
        """The parameter of this module called name."""
        try:
            return self.own[name]
        except KeyError:
            if name in self.declared:
                raise InputError(
                    f"{type(self).__name__} has no numbers for {name!r} yet; call initialize(seed) first"
                ) from None
            raise

    @property
    def children(self) -> dict[str, "Module"]:
        """Modules set as attributes, in the order they were set."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Module)}

    def modules(self) -> Iterator["Module"]:
        """This module and all below it."""
        yield self
        for child in self.children.values():
            yield from child.modules()

    @property
    def params(self) -> dict[str, Array]:
        """Every parameter under its flat name ("conv1.w").  The arrays are the live ones."""
        return {path: module[name] for path, module, name in self._slots()}

    @property
    def state(self) -> dict[str, Array]:
        """Every buffer (running statistics) under its flat name."""
        return {path: module.buffers[name] for path, module, name in self._slots(buffers=True)}

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Take parameters and buffers from arrays under their flat names, on the current backend.

        They are copied, and their dtype is kept.  Raises InputError when names are missing or left over,
        ShapeError when a shape differs; then nothing has changed.
        """
        slots = [*self._slots(), *self._slots(buffers=True)]
        expected = {path for path, _, _ in slots}
        if missing := sorted(expected - set(arrays)):
            raise InputError(f"{type(self).__name__}.load: {_some(missing)} missing")
        if extra := sorted(set(arrays) - expected):
            raise InputError(f"{type(self).__name__}.load: {_some(extra)} not in this model")
        for path, module, name in slots:
            shape = module.declared[name].shape if name in module.declared else module.buffers[name].shape
            if arrays[path].shape != shape:
                raise ShapeError(
                    f"{type(self).__name__}.load: {path} is {arrays[path].shape} but this model has {shape}"
                )
        for path, module, name in slots:
            owner = module.own if name in module.declared else module.buffers
            owner[name] = to_device(arrays[path]).copy()  # training changes it in place

    def summary(self, input_shape: tuple[int, ...] | dict[str, Array], dtype: Any = None) -> Summary:
        """A printable table of shapes, parameters and bytes, and the memory of a training step.

        See minicap.nn.summary.summarize.
        """
        return summarize(self, input_shape, dtype)

    def _slots(self, prefix: str = "", buffers: bool = False) -> Iterator[tuple[str, "Module", str]]:
        for name in self.buffers if buffers else self.declared:
            yield prefix + name, self, name
        for name, child in self.children.items():
            yield from child._slots(f"{prefix}{name}.", buffers)


def _some(names: list[str], most: int = 4) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest + (" is" if len(names) == 1 else " are")


def prefixed(name: str, grads: Gradients) -> Gradients:
    """Gradients of a child under the flat names of its parent."""
    return {f"{name}.{key}": grad for key, grad in grads.items()}
