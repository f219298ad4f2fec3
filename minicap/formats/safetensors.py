"""Read and write safetensors files.

A file is an 8-byte little-endian length, a JSON header of that length and the tensors' bytes back to back:
little-endian, row-major, without gaps. Specification: github.com/huggingface/safetensors, README, "Format".
"""

import json
import math
import os
from collections.abc import Mapping
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from minicap.errors import DtypeError, FormatError, InputError
from minicap.formats.atomic import atomic_writer
from minicap.formats.documents import parse_json
from minicap.formats.regular import open_regular

_DTYPES = {
    "BOOL": np.dtype("?"),
    "U8": np.dtype("u1"),
    "I8": np.dtype("i1"),
    "U16": np.dtype("<u2"),
    "I16": np.dtype("<i2"),
    "U32": np.dtype("<u4"),
    "I32": np.dtype("<i4"),
    "U64": np.dtype("<u8"),
    "I64": np.dtype("<i8"),
    "F16": np.dtype("<f2"),
    "F32": np.dtype("<f4"),
    "F64": np.dtype("<f8"),
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_STORED = _DTYPES | {"BF16": np.dtype("<u2")}  # NumPy has no bfloat16: its bits are read as integers

_MAX_HEADER = 100_000_000  # bytes, the specification's limit

# The first bytes, at most 8, of files that are often mistaken for safetensors.
_FOREIGN = {
    b"PK\x03\x04": "it is a zip archive, perhaps a PyTorch .pth or a NumPy .npz",
    b"\x80": "it is a Python pickle, perhaps an old PyTorch .pth; minicap never opens pickles",
    b"\x93NUMPY": "it is a NumPy .npy file",
    b"\x89HDF": "it is an HDF5 file, perhaps Keras weights",
    b"<": "it is a web page; download the file again",
    b"version ": "it is a Git LFS pointer; fetch the file itself with `git lfs pull`",
}


class _Entry(NamedTuple):
    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int  # bytes from the end of the header
    end: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def save_safetensors(
    path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write named arrays, and strings about them, to a safetensors file.

    tensors: name -> NumPy array of bool, integers of 8 to 64 bits or floats of 16 to 64 bits, of any shape,
    strides and byte order. Their order is kept.
    The file is replaced completely or, if anything fails, not at all; see `atomic_writer`.
    Raises DtypeError for other arrays, InputError for names or metadata that are not strings, or when
    `path` cannot be written.
    """
    dtypes = {name: _dtype_name(name, array) for name, array in tensors.items()}
    for key, value in (metadata or {}).items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise InputError(
                f"save_safetensors: metadata must be strings, but has {_shown(key)}: {_shown(value)}"
            )

    # Widest items first, so that each tensor begins at a multiple of its item size.
    layout = sorted(tensors, key=lambda name: (-tensors[name].itemsize, name))
    spans: dict[str, tuple[int, int]] = {}
    position = 0
    for name in layout:
        spans[name] = (position, position + tensors[name].nbytes)
        position += tensors[name].nbytes

    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    for name, array in tensors.items():
        header[name] = {"dtype": dtypes[name], "shape": array.shape, "data_offsets": spans[name]}
    try:
        encoded = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    except UnicodeEncodeError as error:
        raise InputError(
            "save_safetensors: a name or metadata holds a lone surrogate, which is not text"
        ) from error
    encoded += b" " * (-len(encoded) % 8)
    if len(encoded) > _MAX_HEADER:
        raise InputError(f"save_safetensors: names and metadata take more than {_MAX_HEADER:,} bytes")

    with atomic_writer(path) as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for name in layout:
            little_endian = tensors[name].astype(_DTYPES[dtypes[name]], order="C", copy=False)
            file.write(little_endian.reshape(-1).view(np.uint8).data)


def load_safetensors(
    path: str | os.PathLike[str], mmap: bool = False
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a safetensors file: (tensors by name, metadata).

    mmap: read-only arrays whose bytes are read from the file when accessed. While one of them exists the
    file must not change, and on Windows it cannot be replaced. Without mmap each array owns its memory.
    bfloat16, which NumPy lacks, becomes float32, exactly.
    Raises FormatError when the file is missing, unreadable, damaged, of another format, or holds a dtype
    that NumPy lacks (F8_E4M3, ...). Nothing in the file is ever executed.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise FormatError("it is a folder, not a file")
        if not path.exists():
            raise FormatError("there is no such file")
        with open_regular(path) as file:
            entries, metadata, data_start = _read_header(file)
            if mmap:
                mapped = np.asarray(np.memmap(file, np.uint8, "r"))[data_start:]
                stored = {e.name: mapped[e.begin : e.end].view(_STORED[e.dtype]) for e in entries}
            else:
                # In the order of the file, which _read_header proved to be without holes.
                stored = {e.name: _read(file, e) for e in sorted(entries, key=_position)}
            return {e.name: _to_array(stored[e.name], e) for e in entries}, metadata
    except FormatError as error:
        raise FormatError(f"load_safetensors: {path}: {error}") from None
    except OSError as error:
        raise FormatError(f"load_safetensors: cannot read {path}: {error.strerror or error}") from error


def _dtype_name(name: object, array: object) -> str:
    """The format's word for an array's dtype, once the array and its name are known to be writable."""
    if not isinstance(name, str):
        raise InputError(f"save_safetensors: tensor names must be strings, not {_shown(name)}")
    if name == "__metadata__":
        raise InputError(
            "save_safetensors: no tensor can be named __metadata__; the format reserves that name"
        )
    if not isinstance(array, np.ndarray):
        raise DtypeError(
            f"save_safetensors: {_shown(name)} is a {type(array).__module__}.{type(array).__name__}, "
            "not a NumPy array; convert it with to_host() or np.asarray()"
        )
    dtype = array.dtype.newbyteorder("<")
    if dtype not in _NAMES:
        raise DtypeError(
            f"save_safetensors: {_shown(name)} has dtype {array.dtype}; the format holds bool, "
            "int8 to int64, uint8 to uint64 and float16 to float64"
        )
    return _NAMES[dtype]


def _read_header(file: BufferedReader) -> tuple[list[_Entry], dict[str, str], int]:
    """The tensors in the header's order, the metadata, and where the data begins, at which `file` is left."""
    size = os.fstat(file.fileno()).st_size
    prefix = file.read(8)
    if len(prefix) < 8:
        raise FormatError(f"not a safetensors file: {size} bytes are too few for its 8-byte header length")
    length = int.from_bytes(prefix, "little")
    if length > _MAX_HEADER:
        for magic, what in _FOREIGN.items():
            if prefix.startswith(magic):
                raise FormatError(f"not a safetensors file: {what}")
        raise FormatError(f"not a safetensors file, or damaged: its header would have {length:,} bytes")
    if 8 + length > size:
        raise FormatError(f"truncated: the header should have {length:,} bytes, but the file has {size:,}")
    encoded = file.read(length)
    if not encoded.startswith(b"{"):
        raise FormatError("not a safetensors file, or damaged: its header does not begin with '{'")
    try:
        header = parse_json(encoded.decode("utf-8"), "damaged header", unique=True)
    except UnicodeDecodeError:
        raise FormatError("damaged header: not JSON (not UTF-8)") from None
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise FormatError("damaged header: __metadata__ does not map strings to strings")
    entries = [_parse_entry(name, fields) for name, fields in header.items()]
    _check_layout(entries, size - 8 - length)
    return entries, metadata, 8 + length


def _parse_entry(name: str, fields: Any) -> _Entry:
    what = f"damaged header: {_shown(name)}"
    if not isinstance(fields, dict):
        raise FormatError(f"{what} is not described by an object")
    dtype, shape, offsets = fields.get("dtype"), fields.get("shape"), fields.get("data_offsets")
    if not isinstance(dtype, str):
        raise FormatError(f"{what} has no dtype")
    if dtype not in _STORED:
        raise FormatError(f"{_shown(name)} has dtype {_shown(dtype)}; readable are {', '.join(_STORED)}")
    if not _are_sizes(shape):
        raise FormatError(f"{what} has shape {_shown(shape)}; expected a list of sizes >= 0")
    if not _are_sizes(offsets) or len(offsets) != 2:
        raise FormatError(f"{what} has data_offsets {_shown(offsets)}; expected [begin, end]")
    try:
        np.broadcast_to(np.empty((), _STORED[dtype]), shape)
    except (ValueError, OverflowError):
        raise FormatError(f"{what} has shape {_shown(shape)}, more than NumPy can hold") from None
    entry = _Entry(name, dtype, tuple(shape), *offsets)
    expected = entry.size * _STORED[dtype].itemsize
    if entry.end - entry.begin != expected:
        raise FormatError(
            f"{what} has data_offsets {_shown(offsets)}, but shape {_shown(shape)} of {dtype} "
            f"takes {expected:,} bytes"
        )
    return entry


def _are_sizes(values: Any) -> TypeGuard[list[int]]:
    # `type`, as True is an int to isinstance.
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def _check_layout(entries: list[_Entry], data_size: int) -> None:
    """The tensors must tile the data: every byte exactly once."""
    position = 0
    for entry in sorted(entries, key=_position):
        if entry.end > data_size:
            raise FormatError(
                f"truncated or damaged: {_shown(entry.name)} has data_offsets {_shown([*_position(entry)])}, "
                f"but there are {data_size:,} bytes of data"
            )
        if entry.begin < position:
            raise FormatError(f"damaged header: {_shown(entry.name)} overlaps the tensor before it")
        if entry.begin > position:
            raise FormatError(f"damaged header: there is a hole before {_shown(entry.name)}")
        position = entry.end
    if position < data_size:
        raise FormatError(f"damaged: {data_size - position:,} bytes follow the last tensor")


def _position(entry: _Entry) -> tuple[int, int]:
    return entry.begin, entry.end


def _read(file: BufferedReader, entry: _Entry) -> np.ndarray:
    array = np.empty(entry.size, _STORED[entry.dtype])
    if file.readinto(array.view(np.uint8).data) != array.nbytes:
        raise FormatError(f"truncated: the file ended inside {_shown(entry.name)}")
    return array


def _to_array(stored: np.ndarray, entry: _Entry) -> np.ndarray:
    if entry.dtype == "BF16":  # the upper half of a float32
        stored = (stored.astype("<u4") << 16).view("<f4")
    elif entry.dtype == "BOOL" and stored.size and stored.view(np.uint8).max() > 1:
        raise FormatError(f"damaged: {_shown(entry.name)} is BOOL but holds bytes other than 0 and 1")
    return stored.reshape(entry.shape)


def _shown(value: object) -> str:
    """`value` for an error message: short and on one line, whatever a hostile file holds."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
