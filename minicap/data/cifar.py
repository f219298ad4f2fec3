"""CIFAR-10 (Krizhevsky 2009), in each format in which it is distributed."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from minicap.data.labelled import ArrayDataset
from minicap.errors import FormatError, InputError
from minicap.formats.documents import read_json
from minicap.formats.pickled_arrays import PICKLED_ARRAYS, PickledArray
from minicap.formats.regular import open_regular
from minicap.formats.restricted_pickle import load_restricted

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

# Mean and standard deviation of the training set's channels, on the scale 0..1.
CIFAR10_MEAN, CIFAR10_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)

_TRAIN, _TEST = [f"data_batch_{n}" for n in range(1, 6)], ["test_batch"]
_IMAGE = (3, 32, 32)
_PIXELS = 3072
_MOST_LABELS = 1 << 20  # bytes of JSON


def load_cifar10(folder: str | os.PathLike[str]) -> tuple[ArrayDataset, ArrayDataset]:
    """Training set (50,000) and test set (10,000) of CIFAR-10, (N, 3, 32, 32) uint8.

    folder: holds the Python version (data_batch_1, ...; read without running any code in the pickles), the
    binary version (data_batch_1.bin, ...), or pictures of 1024 x 10000 pixels with one image per row
    (data_batch_1.png, ..., with train_lables.json and test_lables.json, spelt like this).
    Raises InputError when a file is missing, FormatError when one is damaged or is none of these.
    """
    folder = Path(folder)
    for ending, read in _READERS.items():
        if (folder / f"{_TRAIN[0]}{ending}").is_file():
            return _join(folder, _TRAIN, ending, read), _join(folder, _TEST, ending, read)
    raise InputError(
        f"{folder} has no CIFAR-10: neither {_TRAIN[0]} nor {', '.join(_TRAIN[0] + e for e in _READERS if e)}"
    )


def _join(folder: Path, names: list[str], ending: str, read: Callable[[Path], Any]) -> ArrayDataset:
    parts = [read(folder / f"{name}{ending}") for name in names]
    x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return ArrayDataset(x, y.astype(np.int64), CIFAR10)


def _read_pickle(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with _opened(path) as file:
        batch = load_restricted(file, PICKLED_ARRAYS, str(path), encoding="bytes")
    try:
        pixels, labels = batch[b"data"], batch[b"labels"]
    except (KeyError, TypeError):
        raise FormatError(f'{path}: not a CIFAR-10 batch, which has "data" and "labels"') from None
    if not isinstance(pixels, PickledArray) or not isinstance(labels, list):
        raise FormatError(f"{path}: its data is not an array, or its labels not a list")
    x = pixels.array(str(path))
    if x.ndim != 2 or x.shape[1] != _PIXELS or x.dtype != np.uint8:
        raise FormatError(f"{path}: its array is not (N, {_PIXELS}) bytes")
    if not all(isinstance(label, int) for label in labels) or len(labels) != len(x):
        raise FormatError(f"{path}: {len(x)} images need as many whole numbers for labels")
    _check_labels(path, labels)
    return x.reshape(-1, *_IMAGE), np.array(labels, dtype=np.int64)


def _read_binary(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Records of one label and 3072 pixels."""
    with _opened(path) as file:
        content = file.read()
    if not content or len(content) % (1 + _PIXELS):
        raise FormatError(f"{path}: {len(content)} bytes are not a whole number of records of {1 + _PIXELS}")
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + _PIXELS)
    _check_labels(path, records[:, 0].tolist())
    return records[:, 1:].reshape(-1, *_IMAGE), records[:, 0]


def _read_png(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """One row of 1024 RGB pixels per image; the labels of all rows are in a separate file."""
    with _opened(path) as file:
        try:
            with Image.open(file, formats=["PNG"]) as picture:
                if picture.width != 1024 or picture.mode != "RGB":
                    raise FormatError(f"{path}: {picture.size} {picture.mode} pixels, not 1024 RGB in a row")
                rows = np.asarray(picture)
        except FormatError:
            raise
        except Exception as error:
            raise FormatError(f"{path}: not a valid PNG ({error})") from None
    x = rows.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)
    part, _, number = path.stem.partition("_batch")
    source = path.with_name("test_lables.json" if part == "test" else "train_lables.json")
    start = 0 if part == "test" else (int(number.strip("_")) - 1) * len(x)
    return np.ascontiguousarray(x), _labels(source)[start : start + len(x)]


def _labels(path: Path) -> np.ndarray:
    labels = read_json(path, _MOST_LABELS)
    if not isinstance(labels, list) or not all(type(label) is int for label in labels):
        raise FormatError(f"{path}: not a list of whole numbers")
    _check_labels(path, labels)
    return np.array(labels)


def _check_labels(path: Path, labels: list[int]) -> None:
    for label in (min(labels, default=0), max(labels, default=0)):
        if not 0 <= label < len(CIFAR10):
            raise FormatError(f"{path}: a label is {label}, but there are {len(CIFAR10)} classes")


def _opened(path: Path) -> Any:
    try:
        return open_regular(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


_READERS: dict[str, Callable[[Path], Any]] = {"": _read_pickle, ".bin": _read_binary, ".png": _read_png}
