"""The CUDA sources of the kernels, and what each kernel takes.

The parameter list of a kernel in its .cu file, with the shapes in its comments, is the only place that says
what the kernel takes; it is read from there.
"""

import re
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple

from minicap.errors import InputError

_CPP = {"float32": "float", "float64": "double", "int32": "int", "int64": "long long"}

_KERNEL = re.compile(r"^KERNEL (\w+)\((.*?)\) \{", re.DOTALL | re.MULTILINE)
_INCLUDE = re.compile(r'^#include "(\w+\.cuh)"$', re.MULTILINE)
_PARAMETER = re.compile(r"(?:const )?(\w[\w ]*?)(\*?) (\w+)(?:,|$)[^\S\n]*(?://(.*))?")
_SHAPE = re.compile(r"\s*\[(.*?)\]\s*(or null)?")


class Parameter(NamedTuple):
    """One parameter of a kernel.

    type: as written in C++.  shape: an array's, as written, None for a scalar.
    optional: whether an array may be None.
    """

    name: str
    type: str
    shape: str | None = None
    optional: bool = False


class Signature(NamedTuple):
    """The parameters of a kernel, in the order of its source.

    sizes: from the integers by name to the number of entries of every array.
    """

    parameters: tuple[Parameter, ...]
    names: frozenset[str]
    arrays: tuple[Parameter, ...]
    scalars: tuple[Parameter, ...]
    sizes: Callable[..., tuple[int, ...]]


@cache
def source_of(file: str) -> str:
    """CUDA C++ of a kernel file, with the common prelude before it and its includes filled in."""
    folder = files(__package__) / "kernels"

    def text(name: str) -> str:
        return _INCLUDE.sub(lambda found: text(found[1]), (folder / name).read_text(encoding="utf-8"))

    return text("prelude.cuh") + "\n" + text(file)


@cache
def kernel_files() -> tuple[str, ...]:
    """Every kernel file there is."""
    folder = files(__package__) / "kernels"
    return tuple(sorted(path.name for path in folder.iterdir() if path.name.endswith(".cu")))


@cache
def kernels_in(file: str) -> dict[str, Signature]:
    """The kernels of a file and their parameters, as its source declares them."""
    return {name: _signature(name, text) for name, text in _KERNEL.findall(source_of(file))}


def _signature(kernel: str, text: str) -> Signature:
    found = []
    for type_name, star, name, comment in _PARAMETER.findall(text):
        shape = _SHAPE.match(comment)
        if not star:
            found.append(Parameter(name, type_name))
        elif shape is None:
            raise InputError(f"kernel {kernel}: the comment at {name} must begin with its shape, [N, D]")
        else:
            found.append(Parameter(name, type_name, shape[1], shape[2] is not None))
    arrays = tuple(p for p in found if p.shape is not None)
    scalars = tuple(p for p in found if p.shape is None)
    products = ("*".join(f"({factor})" for factor in (p.shape or "").split(",")) for p in arrays)
    integers = ", ".join(p.name for p in scalars if p.type == "int")
    sizes = eval(
        f"lambda {integers}: ({''.join(f'{product}, ' for product in products)})", {"__builtins__": {}}
    )
    known = lru_cache(maxsize=1 << 8)(sizes)
    return Signature(tuple(found), frozenset(p.name for p in found), arrays, scalars, known)


def compile_options(real: str, label: str = "int64") -> tuple[str, ...]:
    """Options for NVRTC that choose the dtypes of a module."""
    return ("-std=c++17", f"-DREAL={_CPP[real]}", f"-DLABEL={_CPP[label]}")
