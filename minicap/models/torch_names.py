"""PyTorch's names for the parameters of our networks, one table per family.

A table turns the path of one of our modules into PyTorch's; the last word of a name is the same for all.
"""

import re
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from minicap.errors import InputError, ShapeError
from minicap.nn import Module

Rename = Callable[[str], str]

_LAST_WORDS = {
    "w": "weight",
    "b": "bias",
    "gamma": "weight",
    "beta": "bias",
    "running_mean": "running_mean",
    "running_var": "running_var",
}
_NAMED_AT_MOST = 4


def by_rules(rules: Mapping[str, str]) -> Rename:
    """Regular expressions and their replacements, applied in order."""

    def rename(path: str) -> str:
        for pattern, replacement in rules.items():
            path = re.sub(pattern, replacement, path)
        return path

    return rename


RESNET = by_rules(
    {
        r"\.residual\.body\.": ".",
        r"\.residual\.shortcut\.conv$": ".downsample.0",
        r"\.residual\.shortcut\.bn$": ".downsample.1",
    }
)

_FIRE = by_rules(
    {
        r"\.squeeze\.conv$": ".squeeze",
        r"\.expand\.(expand[13]x[13])\.conv$": r".\1",
        r"^classifier\.conv10$": "classifier.1",
    }
)


def squeezenet(net: Module) -> Rename:
    """The modules of `features` are numbered from 0."""
    places = {name: str(place) for place, name in enumerate(net.children["features"].children)}

    def rename(path: str) -> str:
        part, name, *rest = _FIRE(path).split(".")
        return ".".join([part, places[name] if part == "features" else name, *rest])

    return rename


GOOGLENET = by_rules(
    {
        r"^trunk\.": "",
        r"^heads\.inception4a\.": "aux1.",
        r"^heads\.inception4d\.": "aux2.",
    }
)

INCEPTION = by_rules(
    {
        r"^trunk\.": "",
        r"^heads\.Mixed_6e\.": "AuxLogits.",
        r"\.(branch\w+)\.(\d)(?:\.([ab]))?\.": r".\1_\2\3.",
    }
)

EFFICIENTNET = by_rules({r"\.body\.": ".", r"\b([a-z])": r"_\1"})


def by_place(net: Module) -> Rename:
    """Modules are numbered from 0 within each part of the network, as in VGG."""
    places = {
        f"{part}.{name}": f"{part}.{place}"
        for part, modules in net.children.items()
        for place, name in enumerate(modules.children)
    }
    return lambda path: places[path]


def from_torch(
    net: Module,
    tensors: Mapping[str, np.ndarray],
    rename: Rename,
    left_out: Iterable[str] = (),
    where: str = "from_torch",
) -> dict[str, np.ndarray]:
    """The parameters and running statistics of net, float32, out of PyTorch's tensors.

    rename: gives PyTorch's path of a module of net.  left_out: prefixes of tensors that net has no place for.
    where: the file, for errors.
    A matrix of PyTorch is (out, in), one of ours (in, out).  Raises InputError when tensors are missing or
    left over, ShapeError when one has another shape than net.
    """
    if tensors and all(name.startswith("module.") for name in tensors):  # trained on several devices
        tensors = {name.removeprefix("module."): tensor for name, tensor in tensors.items()}
    theirs = {name: _torch_name(name, rename) for name in net.shapes}
    of_no_use = [n for n in tensors if n.endswith(".num_batches_tracked") or n.startswith(tuple(left_out))]
    if missing := [name for name in theirs.values() if name not in tensors]:
        raise InputError(f"{where}: {_some(missing)} missing{_hint(missing, theirs)}")
    if extra := sorted({*tensors} - {*theirs.values()} - {*of_no_use}):
        raise InputError(f"{where}: {_some(extra)} left over; the network has no place for that")
    arrays = {}
    for name, shape in net.shapes.items():
        tensor = tensors[theirs[name]]
        array = tensor.T if tensor.ndim == 2 else tensor
        if array.shape != shape:
            wanted = shape[::-1] if len(shape) == 2 else shape
            raise ShapeError(f"{where}: {theirs[name]} is {tensor.shape}, but the network needs {wanted}")
        arrays[name] = np.ascontiguousarray(array, np.float32)
    return arrays


def _torch_name(name: str, rename: Rename) -> str:
    path, _, last = name.rpartition(".")
    return f"{rename(path)}.{_LAST_WORDS[last]}"


def _hint(missing: list[str], theirs: Mapping[str, str]) -> str:
    return "; is it a file of another network?" if len(missing) > len(theirs) // 2 else ""


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else ""
    return ", ".join(names[:_NAMED_AT_MOST]) + more + (" is" if len(names) == 1 else " are")
