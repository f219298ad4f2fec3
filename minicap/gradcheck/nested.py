"""Arrays inside tuples, lists, dicts and caches: find them, name them, replace them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minicap.arrays import Array


def arrays_in(value: Any, path: str = "") -> Iterator[tuple[str, Array]]:
    """Every NumPy array inside a value with the path that leads to it: "cache.x", "xs[1]"."""
    if isinstance(value, np.ndarray):
        yield path, value
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for name, part in zip(value._fields, value, strict=True):
            yield from arrays_in(part, f"{path}.{name}" if path else name)
    elif isinstance(value, (tuple, list)):
        for position, part in enumerate(value):
            yield from arrays_in(part, f"{path}[{position}]")
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from arrays_in(part, f"{path}.{key}" if path else str(key))


def map_leaves(function: Callable[[Any], Any], value: Any) -> Any:
    """The same nesting with every leaf (array, number, option) replaced by function(leaf)."""
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_leaves(function, part) for part in value))
    if isinstance(value, (tuple, list)):
        return type(value)(map_leaves(function, part) for part in value)
    if isinstance(value, dict):
        return {key: map_leaves(function, part) for key, part in value.items()}
    return function(value)


def flatten(value: Any) -> list[Any]:
    """The leaves of nested tuples and lists, in order; a single leaf is a list of one."""
    if isinstance(value, (tuple, list)):
        return [leaf for part in value for leaf in flatten(part)]
    return [value]


def is_float(leaf: Any) -> bool:
    """Whether a leaf holds real or complex numbers (an array, or a NumPy scalar)."""
    return isinstance(leaf, (np.ndarray, np.generic)) and leaf.dtype.kind in "fc"
