"""Module: an object that owns named parameters and calls layer pairs."""

import os
from collections.abc import Callable, Iterator, Mapping
from functools import wraps
from typing import Any, NamedTuple, Self
from zlib import crc32

import numpy as np

from minicap.arrays import Array, backend_of, to_device, to_host
from minicap.arrays.random import RandomStream, as_stream
from minicap.errors import DtypeError, InputError, ShapeError
from minicap.formats import Checkpoint, load_checkpoint, save_checkpoint
from minicap.nn.description import KIND, Made, description
from minicap.nn.init import Initializer, Shape
from minicap.nn.parameters import Parameters
from minicap.nn.sharing import Work, worthwhile_shards
from minicap.nn.summary import Summary, summarize

Gradients = dict[str, Array]


class Declared(NamedTuple):
    """A parameter before it has values: its shape and how to draw it."""

    shape: Shape
    draw: Initializer


class Module:
    """Owns named parameters and calls layer pairs.

    A subclass declares its parameters and writes forward and backward from layer functions.  Nothing is kept
    between the two: as with layers, forward returns a cache and backward takes it.  So one module can serve
    several shards of a batch at once.

    Modules set as attributes, including those in lists, tuples and dicts, are its children; their parameters
    appear as "child.name" and "blocks.0.name".  A module has one place: one that is needed twice is a single
    child that forward calls twice, with its gradients added up in backward.

    A module does not draw from the rng it is given but from the stream below it that belongs to its name.  So
    a parent passes the same rng to all children, and no two draw the same numbers.
    """

    _name = ""  # in its parent
    _made = Made()

    def __init__(self) -> None:
        self.declared: dict[str, Declared] = {}
        self.own: dict[str, Array] = {}
        self.buffers: dict[str, Array] = {}

    def forward(self, x: Any, train: bool, rng: RandomStream | None = None) -> tuple[Any, Any]:
        """Outputs and the cache that backward needs.  rng: randomness of dropout, when train is True."""
        raise NotImplementedError(f"{type(self).__name__}.forward")

    def backward(self, dout: Any, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        """Gradient of the input, and of every parameter by its name.

        input_gradient: False for a network's first layers, whose input needs no gradient: it is then None and
        costs nothing.
        """
        raise NotImplementedError(f"{type(self).__name__}.backward")

    def __call__(self, x: Any) -> Any:
        """Outputs in evaluation mode."""
        return self.forward(x, train=False)[0]

    def declare(self, name: str, shape: Shape, draw: Initializer) -> None:
        """Declare a parameter; `initialize` gives it values.

        Raises InputError for an invalid shape.
        """
        if not all(isinstance(size, (int, np.integer)) and size > 0 for size in shape):
            raise InputError(
                f"{type(self).__name__}: {name} would be {shape}; sizes must be whole numbers above 0"
            )
        self.declared[name] = Declared(shape, draw)

    def initialize(self, seed: int = 0, dtype: Any = np.float32) -> Self:
        """Draw every parameter on the current backend; the same seed gives the same model.

        Each parameter has its own stream, named after it, so adding a layer changes no other.
        Raises DtypeError for anything but float32 and float64, InputError for an invalid seed, ShapeError
        when a draw gives a shape other than the parameter's.
        """
        if np.dtype(dtype) not in (np.float32, np.float64):
            raise DtypeError(f"initialize: dtype is {np.dtype(dtype)} but must be float32 or float64")
        if not isinstance(seed, (int, np.integer)) or seed < 0:
            raise InputError(f"initialize: seed is {seed!r} but must be a whole number, at least 0")
        for path, module, name in self._slots():
            rng = np.random.default_rng([seed, crc32(path.encode())])
            shape, draw = module.declared[name]
            numbers = np.ascontiguousarray(draw(rng, shape), dtype)
            if numbers.shape != shape:
                raise ShapeError(f"initialize: {path} is {shape} but its draw gives {numbers.shape}")
            module.own[name] = to_device(numbers)
        for module in self.modules():
            module.buffers = {name: to_device(to_host(b).astype(dtype)) for name, b in module.buffers.items()}
        return self

    def __getitem__(self, name: str) -> Array:
        """This module's parameter of that name."""
        try:
            return self.own[name]
        except KeyError:
            if name in self.declared:
                raise InputError(
                    f"{type(self).__name__} has no values for {name!r} yet; call initialize(seed) first"
                ) from None
            raise

    @property
    def children(self) -> dict[str, "Module"]:
        """The modules set as attributes, in the order they were set; "blocks.0" is the first of a list."""
        found: dict[str, Module] = {}
        for name, value in vars(self).items():
            if isinstance(value, Module):
                found[name] = value
            elif value and isinstance(value, (list, tuple, dict)):
                found.update(_modules_in(name, value))
        return found

    def modules(self) -> Iterator["Module"]:
        """This module and all below it."""
        return (module for _, module in self._tree())

    @property
    def params(self) -> Parameters:
        """Every parameter under its flat name ("conv1.w"): the live arrays."""
        return Parameters({path: module[name] for path, module, name in self._slots()})

    @property
    def state(self) -> dict[str, Array]:
        """Every buffer (running statistics) under its flat name."""
        return {path: module.buffers[name] for path, module, name in self._slots(buffers=True)}

    @property
    def shapes(self) -> dict[str, Shape]:
        """The shape of every parameter and buffer under its flat name; they need no values yet."""
        parameters = {path: module.declared[name].shape for path, module, name in self._slots()}
        buffers = {path: module.buffers[name].shape for path, module, name in self._slots(buffers=True)}
        return parameters | buffers

    def load(self, arrays: Mapping[str, Array]) -> None:
        """Load parameters and buffers from arrays under their flat names, on the current backend.

        They are copied, and their dtype is kept.  Raises InputError when names are missing or left over or a
        number is not finite, ShapeError when a shape differs, DtypeError for anything but arrays of floats;
        then nothing has changed.
        """
        expected = self.shapes
        if missing := sorted(set(expected) - set(arrays)):
            raise InputError(f"{type(self).__name__}.load: {_some(missing)} missing")
        if extra := sorted(set(arrays) - set(expected)):
            raise InputError(f"{type(self).__name__}.load: {_some(extra)} not in this model")
        for path, shape in expected.items():
            if not hasattr(arrays[path], "dtype") or arrays[path].dtype.kind != "f":
                kind = getattr(arrays[path], "dtype", type(arrays[path]).__name__)
                raise DtypeError(
                    f"{type(self).__name__}.load: {path} is {kind} but must be an array of floats"
                )
            if arrays[path].shape != shape:
                raise ShapeError(
                    f"{type(self).__name__}.load: {path} is {arrays[path].shape} but this model has {shape}"
                )
            if not to_host(backend_of(array=arrays[path]).xp.isfinite(arrays[path]).all()):
                raise InputError(f"{type(self).__name__}.load: {path} holds NaN or infinity")
        for path, module, name in (*self._slots(), *self._slots(buffers=True)):
            owner = module.own if name in module.declared else module.buffers
            owner[name] = to_device(arrays[path]).copy()  # training changes it in place

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write parameters, buffers and how the model was made, for minicap.models.load_model to rebuild it.

        Raises InputError when the file cannot be written or a number is not finite.
        """
        about = {"kind": KIND, "made": description(self)}
        save_checkpoint(path, Checkpoint({**self.params, **self.state}, {}, {}, about))

    def load_file(self, path: str | os.PathLike[str]) -> None:
        """Load parameters and buffers from a file of `save`, or from a run's checkpoint.

        Raises FormatError for a damaged file, else as `load`; then nothing has changed.
        """
        self.load(load_checkpoint(path).model)

    def summary(self, input_shape: tuple[int, ...] | dict[str, Array], dtype: Any = None) -> Summary:
        """A printable table of shapes, parameters and bytes, and the memory of a training step.

        See minicap.nn.summary.summarize.
        """
        return summarize(self, input_shape, dtype)

    def work(self, pixels: int) -> Work:
        """The work of this module alone, without its children, for one sample (or word) of the batch.

        pixels: of the images in the batch, 1 where there are none.  Every parameter is used once per sample,
        unless a subclass says otherwise.
        """
        return Work(sum(_size(declared.shape) for declared in self.declared.values()))

    def shards(self, batch: dict[str, Array], count: int, most: int) -> int:
        """How many parts of a batch are worth a thread each, at most `most`.

        count: of what the loss averages over, samples or words.  See minicap.nn.sharing.
        """
        return worthwhile_shards(lambda pixels: [m.work(pixels) for m in self.modules()], batch, count, most)

    def stream(self, rng: RandomStream | int | None) -> RandomStream | None:
        """This module's stream, below the one its parent was given; the root uses that itself."""
        if rng is None:
            return None
        stream = as_stream(rng)
        return stream.child(crc32(self._name.encode())) if self._name else stream

    def __new__(cls, *args: Any, **options: Any) -> Self:
        module = super().__new__(cls)
        module._made = Made(args, options)
        return module

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "forward" in vars(cls):
            cls.forward = _on_own_stream(cls.forward)  # type: ignore[method-assign]

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        for path, module in _modules_in(name, value).items():
            module._name = path

    def __repr__(self) -> str:
        children = [f"{name}: {child!r}".replace("\n", "\n  ") for name, child in self.children.items()]
        said = [("", arg) for arg in self._made.args] + [(f"{n}=", v) for n, v in self._made.options.items()]
        written = ", ".join(name + _brief(value) for name, value in said if not _modules_in("", value))
        return "\n  ".join([f"{type(self).__name__}({written})", *children])

    def _tree(self) -> Iterator[tuple[str, "Module"]]:
        """This module and all below it, each with the prefix of its parameters' flat names.

        Raises InputError for a module in two places.
        """
        paths: dict[int, str] = {}
        waiting: list[tuple[str, Module]] = [("", self)]
        while waiting:
            path, module = waiting.pop()
            if (first := paths.setdefault(id(module), path)) != path:
                raise InputError(
                    f"{type(self).__name__}: {first} and {path} are one and the same "
                    f"{type(module).__name__}; make two, or keep one and call it twice"
                )
            yield f"{path}." if path else "", module
            children = module.children
            for name, child in reversed(children.items()):
                child._name = name  # one that was added to a list learns its name here
                waiting.append((f"{path}.{name}" if path else name, child))

    def _slots(self, buffers: bool = False) -> Iterator[tuple[str, "Module", str]]:
        for prefix, module in self._tree():
            for name in module.buffers if buffers else module.declared:
                yield prefix + name, module, name


def prefixed(name: str, grads: Gradients) -> Gradients:
    """Gradients of a child under the flat names of its parent."""
    return {f"{name}.{key}": grad for key, grad in grads.items()}


def _on_own_stream(forward: Callable[..., tuple[Any, Any]]) -> Callable[..., tuple[Any, Any]]:
    @wraps(forward)
    def forward_on_own_stream(
        self: Module, x: Any, train: bool, rng: RandomStream | None = None, *args: Any, **options: Any
    ) -> tuple[Any, Any]:
        return forward(self, x, train, self.stream(rng), *args, **options)

    return forward_on_own_stream


def _modules_in(name: str, value: Any) -> dict[str, Module]:
    """The modules that an attribute is or holds, each by its name."""
    if isinstance(value, Module):
        return {name: value}
    if not isinstance(value, (list, tuple, dict)):
        return {}
    items = value.items() if isinstance(value, dict) else enumerate(value)
    return {path: module for key, v in items for path, module in _modules_in(f"{name}.{key}", v).items()}


def _brief(argument: Any) -> str:
    """An argument as it was written; an array by its shape."""
    if hasattr(argument, "shape"):
        return f"array {argument.shape}"
    return getattr(argument, "__name__", None) or repr(argument)


def _size(shape: Shape) -> int:
    return int(np.prod(shape, dtype=np.int64))


def _some(names: list[str], most: int = 4) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest + (" is" if len(names) == 1 else " are")
