"""Arguments and answers as bytes: what crosses the border between a grader and the code that it grades.

A text in JSON that describes the nesting, then the bytes of the arrays.  Nothing in it can run: no pickle, no
object arrays, and a cache is named, not built, unless the reader asks for it.
"""

import json
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from minicap.errors import FormatError

KINDS = "?biuf"  # of arrays that may cross
MOST_VALUES = 200_000  # in one message
MOST_TEXT = 4 << 20
DEEPEST = 40


class Named(NamedTuple):
    """A cache, or another NamedTuple, known by its names alone."""

    module: str
    name: str
    fields: tuple[str, ...]
    values: tuple[Any, ...]


class Foreign(NamedTuple):
    """Something that cannot cross, by the name of its type."""

    type: str


def encode(value: Any) -> bytes:
    """The value as bytes.  Anything but numbers, texts, arrays and nestings of these becomes a Foreign."""
    arrays: list[memoryview] = []
    tree = json.dumps(_tree(value, arrays, DEEPEST)).encode()
    return b"".join((len(tree).to_bytes(8, "little"), tree, *arrays))


def decode(data: bytes, build: Callable[[Named], Any] = lambda named: named) -> Any:
    """The value that `encode` wrote.  build: turns a Named into what the reader wants.

    Raises FormatError for anything else; its arrays take no more memory than the data.
    """
    try:
        size = int.from_bytes(data[:8], "little")
        if size > MOST_TEXT:
            raise FormatError(f"a message with more than {MOST_TEXT >> 20} MiB of text")
        tree = json.loads(data[8 : 8 + size])
        return _Reader(memoryview(data)[8 + size :], build).value(tree)
    except FormatError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise FormatError(f"not a message of minicap ({type(error).__name__})") from None


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a value with the path that leads to it: "cache.x", "[1]".

    A cache gives the same leaves as the Named that comes out on the other side.
    """
    if isinstance(value, Named):
        for name, part in zip(value.fields, value.values, strict=True):
            yield from leaves(part, f"{path}.{name}")
    elif isinstance(value, tuple) and hasattr(value, "_fields") and not isinstance(value, Foreign):
        for name, part in zip(value._fields, value, strict=True):
            yield from leaves(part, f"{path}.{name}")
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from leaves(part, f"{path}[{name!r}]")
    elif isinstance(value, (tuple, list)):
        for position, part in enumerate(value):
            yield from leaves(part, f"{path}[{position}]")
    else:
        yield path, value


def names_only(value: Any) -> Any:
    """The value as it comes out on the other side, every NamedTuple a Named."""
    return decode(encode(value))


def _tree(value: Any, arrays: list[memoryview], depth: int) -> Any:
    if depth == 0:
        return {"foreign": "deep nesting"}
    if isinstance(value, (np.ndarray, np.generic)):
        array = np.asarray(value)
        if array.dtype.kind not in KINDS.replace("?", "b") or array.dtype.hasobject:
            return {"foreign": f"{type(value).__name__} of {array.dtype}"}
        arrays.append(np.ascontiguousarray(array, array.dtype.newbyteorder("<")).data)
        shape = list(array.shape)
        return {"array": [array.dtype.newbyteorder("<").str, shape, isinstance(value, np.generic)]}
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else {"foreign": "int beyond 64 bits"}
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, Named):
        parts = [_tree(part, arrays, depth - 1) for part in value.values]
        return {"named": [value.module, value.name, list(value.fields), parts]}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        parts = [_tree(part, arrays, depth - 1) for part in value]
        kind = type(value)
        return {"named": [kind.__module__, kind.__qualname__, list(kind._fields), parts]}
    if isinstance(value, (tuple, list)):
        parts = [_tree(part, arrays, depth - 1) for part in value]
        return {"tuple": parts} if isinstance(value, tuple) else parts
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _tree(part, arrays, depth - 1) for key, part in value.items()}}
    return {"foreign": type(value).__name__}


class _Reader:
    def __init__(self, data: memoryview, build: Callable[[Named], Any]) -> None:
        self.data, self.build, self.count = data, build, 0

    def value(self, tree: Any) -> Any:
        self.count += 1
        if self.count > MOST_VALUES:
            raise FormatError(f"a message of more than {MOST_VALUES} values")
        if isinstance(tree, list):
            return [self.value(part) for part in tree]
        if not isinstance(tree, dict):
            return tree
        ((kind, content),) = tree.items()
        if kind == "array":
            return self.array(*content)
        if kind == "tuple":
            return tuple(self.value(part) for part in content)
        if kind == "dict":
            return {str(key): self.value(part) for key, part in content.items()}
        if kind == "float":
            return float(content)
        if kind == "foreign":
            return Foreign(str(content)[:80])
        if kind != "named":
            raise FormatError(f"a message with {kind[:20]!r} in it")
        module, name, fields, parts = content
        values = tuple(self.value(part) for part in parts)
        if len(values) != len(fields):
            raise FormatError("a cache whose names and values are not as many")
        return self.build(Named(str(module), str(name), tuple(map(str, fields)), values))

    def array(self, code: str, shape: list[int], scalar: bool) -> Any:
        dtype = np.dtype(code)
        if dtype.kind not in KINDS.replace("?", "b") or any(type(n) is not int or n < 0 for n in shape):
            raise FormatError(f"an array of {code!r} in a message")
        size = dtype.itemsize * math.prod(shape)
        if size > len(self.data):
            raise FormatError("an array longer than its message")
        array = np.frombuffer(self.data[:size], dtype).reshape(shape).copy()
        self.data = self.data[size:]
        return array[()] if scalar else array
