"""MNIST, Fashion-MNIST and any other set in the same idx files."""

import gzip
import os
import struct
import zlib
from math import prod
from pathlib import Path

import numpy as np

from minicap.data.labelled import ArrayDataset
from minicap.errors import FormatError, InputError
from minicap.formats.regular import open_regular

DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)

# The third byte of an idx file names the type of its numbers, which are big-endian (LeCun's MNIST page).
_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_BYTES = 1 << 31


def load_mnist(folder: str | os.PathLike[str]) -> tuple[ArrayDataset, ArrayDataset]:
    """Training and test set of MNIST, (N, 1, 28, 28) uint8, from its four idx files, compressed (.gz) or not.

    Raises InputError when a file is missing, FormatError when one is damaged or images and labels differ in
    number.
    """
    return _load(Path(folder), DIGITS)


def load_fashion_mnist(folder: str | os.PathLike[str]) -> tuple[ArrayDataset, ArrayDataset]:
    """Training and test set of Fashion-MNIST (Xiao et al. 2017), in the same files.  Raises as load_mnist."""
    return _load(Path(folder), CLOTHES)


def load_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """The array in an idx file, compressed (.gz) or not, in the byte order of this machine.

    Raises InputError when it cannot be read, FormatError when it is not an idx file or does not have the
    length that it declares.
    """
    path = Path(path)
    try:
        with open_regular(path) as packed, gzip.open(packed) if path.suffix == ".gz" else packed as file:
            content = file.read(_MOST_BYTES + 1)
    except gzip.BadGzipFile as error:
        raise FormatError(f"{path}: not a gzip file ({error})") from None
    except (EOFError, zlib.error) as error:
        raise FormatError(f"{path}: truncated or damaged ({error})") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None
    if len(content) > _MOST_BYTES:
        raise FormatError(f"{path}: larger than {_MOST_BYTES >> 30} GiB")
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in _TYPES:
        raise FormatError(f"{path}: not an idx file")
    dtype, axes = np.dtype(_TYPES[content[2]]), content[3]
    start = 4 + 4 * axes
    if len(content) < start:
        raise FormatError(f"{path}: truncated within its sizes")
    shape = struct.unpack(f">{axes}I", content[4:start])
    if prod(shape) * dtype.itemsize != len(content) - start:
        raise FormatError(
            f"{path}: holds {len(content) - start} bytes of numbers, where {shape} of {dtype.itemsize} bytes "
            f"each need {prod(shape) * dtype.itemsize}"
        )
    try:
        return np.frombuffer(content, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
    except ValueError as error:  # more axes than NumPy allows, or a size too large for it next to a 0
        raise FormatError(f"{path}: {error}") from None


def _load(folder: Path, classes: tuple[str, ...]) -> tuple[ArrayDataset, ArrayDataset]:
    train, test = (_part(folder, name, classes) for name in ("train", "t10k"))
    return train, test


def _part(folder: Path, name: str, classes: tuple[str, ...]) -> ArrayDataset:
    x, y = load_idx(_find(folder, f"{name}-images")), load_idx(_find(folder, f"{name}-labels"))
    if x.ndim != 3 or x.dtype != np.uint8 or y.shape != (len(x),):
        raise FormatError(
            f"{folder}: {name} has images {x.shape} of {x.dtype} and labels {y.shape}; (N, H, W) of uint8 "
            "and (N,) are needed"
        )
    if y.size and not (y.min() >= 0 and y.max() < len(classes)):
        raise FormatError(f"{folder}: a label of {name} is {y.max()}, beyond its {len(classes)} classes")
    return ArrayDataset(x[:, None], y.astype(np.int64), classes)


def _find(folder: Path, name: str) -> Path:
    """The images or labels of a part; tools write "-idx3-ubyte" with a dot, too."""
    rank = 3 if name.endswith("images") else 1
    names = [f"{name}{mark}idx{rank}-ubyte{end}" for mark in "-." for end in ("", ".gz")]
    for candidate in names:
        if (folder / candidate).is_file():
            return folder / candidate
    raise InputError(f"{folder} has no {names[0]}, packed (.gz) or not")
