"""PyTorch's .pth and .pt files, read without PyTorch and without running what a pickle can run.

A file holds a pickle of the saved object, with tensors as (storage, offset, size, stride), and the bytes of
every storage: as entries of a zip archive since PyTorch 1.6, before that one after another following the
pickle.
"""

import io
import os
import zipfile
from collections.abc import Callable, Iterator
from math import prod
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from minicap.errors import FormatError, InputError
from minicap.formats.regular import open_regular
from minicap.formats.restricted_pickle import load_restricted

_DTYPES = {
    "DoubleStorage": "<f8",
    "FloatStorage": "<f4",
    "HalfStorage": "<f2",
    "BFloat16Storage": "<u2",  # the upper half of a float32
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ShortStorage": "<i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the older form
_WRAPPED = (
    "state_dict",
    "model_state_dict",
    "model",
)  # keys under which training scripts keep the parameters


def load_torch(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """The tensors of a state dict, or of a TorchScript module, by name; bfloat16 becomes float32, other
    dtypes stay.

    A state dict that a checkpoint keeps under "state_dict", "model_state_dict" or "model" is found there.
    Raises InputError when the file cannot be read; FormatError when it is damaged, not a PyTorch file, holds
    anything but a state dict, or names anything that could run code.
    """
    where = str(path)
    try:
        with open_regular(path) as file:
            return (_read_zip if zipfile.is_zipfile(file) else _read_legacy)(file, where)
    except OSError as error:
        raise InputError(f"cannot read {where}: {error.strerror or error}") from None


class _StateDict(dict):
    """An OrderedDict, to which PyTorch adds attributes that are not needed."""

    def __setstate__(self, state: Any) -> None:
        pass


class _Storage(NamedTuple):
    """A pointer to the numbers of some tensors."""

    kind: str
    key: str
    length: int


class _Tensor(NamedTuple):
    """A tensor whose numbers are not read yet."""

    storage: Any
    offset: Any
    size: Any
    stride: Any


def _rebuild_tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, offset, size, stride)


def _rebuild_parameter(tensor: Any, *_: Any) -> Any:
    return tensor


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _StateDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch._utils", "_rebuild_tensor"): _rebuild_tensor,
    ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
    ("torch.jit._pickle", "build_intlist"): lambda numbers: numbers,
    **{("torch", name): name for name in _DTYPES},
}


class _Pointers(dict[str, _Storage]):
    """The storages that a pickle points to, by key."""

    def __init__(self, where: str) -> None:
        self.where = where

    def follow(self, pointer: Any) -> _Storage:
        """The storage of ("storage", kind, key, device, length, ...)."""
        match pointer:
            case ("storage", str(kind), str(key), _, int(count), *_) if kind in _DTYPES and count >= 0:
                return self.setdefault(key, _Storage(kind, key, count))
        raise FormatError(
            f"{self.where}: a storage is described in a way that PyTorch does not use: {pointer!r:.80}"
        )


class _ScriptModule:
    """A module of TorchScript: its tensors, numbers and modules are its attributes."""

    __slots__ = ("attributes",)

    def __setstate__(self, attributes: Any) -> None:
        self.attributes = attributes if isinstance(attributes, dict) else {}


def _read_zip(file: IO[bytes], where: str) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(file) as archive:
            # PyTorch packs nothing but the code of TorchScript, so an entry is never larger than the file.
            entries = {info.filename.partition("/")[2]: info for info in archive.infolist()}
            read = [info for name, info in entries.items() if not name.startswith("code/")]
            if any(info.compress_type != zipfile.ZIP_STORED for info in read):
                raise FormatError(f"{where}: its entries are compressed, which PyTorch never does")
            if "data.pkl" not in entries:
                raise FormatError(f"{where}: a zip archive, but not one of PyTorch's")
            if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
                raise FormatError(f"{where}: written on a big-endian machine, which is not supported")
            pointers = _Pointers(where)
            pickled = io.BytesIO(archive.read(entries["data.pkl"]))
            content = load_restricted(pickled, _ALLOWED, where, pointers.follow, scripted=_ScriptModule)
            numbers = {}
            for key, storage in pointers.items():
                if f"data/{key}" not in entries:
                    raise FormatError(f"{where}: the numbers of storage {key} are missing")
                numbers[key] = _numbers(archive.read(entries[f"data/{key}"]), storage, where)
            return _tensors(content, numbers, where)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
        raise FormatError(f"{where}: a damaged archive ({error})") from None


def _read_legacy(file: IO[bytes], where: str) -> dict[str, np.ndarray]:
    file.seek(0)
    pointers = _Pointers(where)

    def load(allowed: dict[tuple[str, str], Any], at: Callable[[Any], Any] | None = None) -> Any:
        return load_restricted(file, allowed, where, at)

    if load({}) != _MAGIC or load({}) != _PROTOCOL:
        raise FormatError(f"{where}: not a PyTorch file")
    load({})  # the machine that it was written on
    content = load(_ALLOWED, pointers.follow)
    keys = load({})
    if not isinstance(keys, list) or sorted(map(repr, keys)) != sorted(map(repr, pointers)):
        raise FormatError(f"{where}: the numbers of a storage are missing")
    size = os.fstat(file.fileno()).st_size
    numbers = {}
    for key in keys:
        storage = pointers[key]
        if int.from_bytes(file.read(8), "little") != storage.length:
            raise FormatError(f"{where}: storage {key} is not as long as it says")
        count = np.dtype(_DTYPES[storage.kind]).itemsize * storage.length
        numbers[key] = _numbers(file.read(min(count, size)), storage, where)
    return _tensors(content, numbers, where)


def _numbers(content: bytes, storage: _Storage, where: str) -> np.ndarray:
    dtype = np.dtype(_DTYPES[storage.kind])
    if len(content) != storage.length * dtype.itemsize:
        raise FormatError(
            f"{where}: truncated: {storage.length} numbers of {dtype.itemsize} bytes in {len(content)}"
        )
    numbers = np.frombuffer(content, dtype)
    if storage.kind == "BFloat16Storage":
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers


def _tensors(content: Any, numbers: dict[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    if isinstance(content, _ScriptModule):
        content = dict(_in_modules(content, where))
    for key in _WRAPPED:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise FormatError(f"{where}: holds a {type(content).__name__}, not a state dict")
    tensors = {}
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, _Tensor):
            raise FormatError(f"{where}: {name!r:.60} is not a tensor; save model.state_dict() alone")
        tensors[name] = _array(tensor, numbers, f"{where}: {name}")
    return tensors


def _in_modules(root: _ScriptModule, where: str) -> Iterator[tuple[str, _Tensor]]:
    """The tensors of a module and of all below it, by their paths, in the order in which they were set."""
    seen: set[int] = set()
    waiting: list[tuple[str, Any]] = [("", root)]
    while waiting:
        path, found = waiting.pop()
        if isinstance(found, _Tensor):
            yield path, found
        elif isinstance(found, _ScriptModule):
            if id(found) in seen:
                raise FormatError(f"{where}: {path} is a module that stands in two places")
            seen.add(id(found))
            inner = [
                (f"{path}.{name}" if path else name, value)
                for name, value in getattr(found, "attributes", {}).items()
            ]
            waiting += reversed(inner)


def _array(tensor: _Tensor, numbers: dict[str, np.ndarray], where: str) -> np.ndarray:
    """The tensor as an array of its own; every index is checked to lie in the storage before it is read."""
    storage, offset, size, stride = tensor
    whole = [offset, *size, *stride] if isinstance(size, tuple) and isinstance(stride, tuple) else [None]
    if not isinstance(storage, _Storage) or not all(type(n) is int and n >= 0 for n in whole):
        raise FormatError(f"{where} is described in a way that PyTorch does not use")
    stored = numbers[storage.key]
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=False)) if prod(size) else -1
    if len(size) != len(stride) or prod(size) > len(stored) or last >= len(stored):
        raise FormatError(f"{where} reaches beyond its storage of {len(stored)} numbers")
    start = stored[offset:] if prod(size) else stored[:0]
    try:
        return as_strided(start, size, [s * start.itemsize for s in stride]).copy()
    except (ValueError, OverflowError) as error:  # more axes, or larger numbers, than NumPy allows
        raise FormatError(f"{where} cannot be an array ({error})") from None
