"""Photos in a folder for each class, and Tiny ImageNet, which has its own layout."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from minicap.backend.host import core_count
from minicap.data.images import load_image
from minicap.data.labelled import ArrayDataset
from minicap.data.photos import find_photos
from minicap.errors import FormatError, InputError
from minicap.formats.documents import read_text
from minicap.progress import Progress
from minicap.training.ahead import made_ahead

_MOST_TEXT = 16 << 20  # bytes


def load_image_folder(
    folder: str | os.PathLike[str], size: int, classes: Sequence[str] | None = None
) -> ArrayDataset:
    """Photos of `folder/CLASS/...`, each scaled until it covers a square of `size` pixels, and cropped to it.

    classes: names of the folders to take, in the order of their indices; by default all except hidden ones,
    sorted.
    Returns images (N, 3, size, size) uint8, in the order of classes and file names.
    Raises InputError for a folder that is missing or has no photos, a photo that cannot be read, a class that
    is named twice, or a size below 1.
    """
    if size < 1:
        raise InputError(f"load_image_folder: size is {size} but must be at least 1")
    names = tuple(class_folders(folder) if classes is None else _once(classes, "load_image_folder"))
    folder = Path(folder)
    if not names:
        raise InputError(f"{folder} has no subfolders; each class needs its own")
    photos = [(path, index) for index, name in enumerate(names) for path in _photos(folder / name)]
    return _read(photos, size, names)


def class_folders(folder: str | os.PathLike[str]) -> list[str]:
    """The folders in a folder by name, sorted, without hidden ones.  Raises InputError if it is none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    return sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def load_tiny_imagenet(
    folder: str | os.PathLike[str], classes: Sequence[str] | int | None = None
) -> tuple[ArrayDataset, ArrayDataset]:
    """Training set and validation set of Tiny ImageNet, (N, 3, 64, 64) uint8.

    folder: holds train/WNID/images, val/images with val_annotations.txt, and words.txt.
    classes: WordNet ids to take, or how many of them in the order of their ids; by default all.
    Raises InputError for missing files and for ids that are unknown or repeated, FormatError for
    annotations that do not fit.
    """
    folder = Path(folder)
    known = sorted(p.name for p in (folder / "train").glob("n*") if (p / "images").is_dir())
    if not known:
        raise InputError(f"{folder} does not hold Tiny ImageNet: train/WNID/images is missing")
    if isinstance(classes, int):
        if not 1 <= classes <= len(known):
            raise InputError(
                f"load_tiny_imagenet: classes is {classes}, but {folder} has {len(known)} of them"
            )
        ids = known[:classes]
    else:
        ids = known if classes is None else _once(classes, "load_tiny_imagenet")
    if unknown := [name for name in ids if name not in known]:
        raise InputError(f"{folder} has no class {unknown[0]}")
    index = {name: i for i, name in enumerate(ids)}
    train = [(path, index[name]) for name in ids for path in _photos(folder / "train" / name / "images")]
    validation = [
        (folder / "val" / "images" / file, index[name])
        for file, name in _annotations(folder / "val" / "val_annotations.txt")
        if name in index
    ]
    if not validation:
        raise FormatError(f"{folder}: val_annotations.txt names no photo of these classes")
    names = tuple(_names(folder, ids))
    return _read(train, 64, names), _read(validation, 64, names)


def _once(classes: Sequence[str], function: str) -> list[str]:
    """The classes that were asked for, as a list; each of them once."""
    if isinstance(classes, str):
        raise InputError(f"{function}: classes is {classes!r}; give a list of names, [{classes!r}]")
    repeated = [name for name, times in Counter(classes).items() if times > 1]
    if repeated or not classes:
        wrong = f"has {repeated[0]!r} more than once" if repeated else "is empty"
        raise InputError(f"{function}: classes {wrong}")
    return list(classes)


def _photos(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder")
    return list(find_photos([folder]))


def _read(photos: list[tuple[Path, int]], size: int, classes: tuple[str, ...]) -> ArrayDataset:
    x = np.empty((len(photos), 3, size, size), dtype=np.uint8)

    def read(photo: tuple[Path, int]) -> np.ndarray:
        return _square(load_image(photo[0]), size).transpose(2, 0, 1)

    with (
        Progress(len(photos), "reading", "photo") as progress,
        made_ahead(read, photos, threads=core_count()) as read_photos,
    ):
        for row, photo in enumerate(read_photos):
            x[row] = photo
            progress.reach(row + 1)
    return ArrayDataset(x, np.array([label for _, label in photos], dtype=np.int64), classes)


def _square(photo: np.ndarray, size: int) -> np.ndarray:
    """The centre of a photo, scaled so that its shorter side is `size`."""
    height, width = photo.shape[:2]
    if (height, width) == (size, size):
        return photo
    scale = size / min(height, width)
    scaled = Image.fromarray(photo).resize(
        (max(size, round(width * scale)), max(size, round(height * scale))), Image.Resampling.BILINEAR
    )
    left, top = (scaled.width - size) // 2, (scaled.height - size) // 2
    return np.asarray(scaled.crop((left, top, left + size, top + size)))


def _annotations(path: Path) -> list[tuple[str, str]]:
    """File name and class of every validation photo."""
    lines = read_text(path, _MOST_TEXT).splitlines()
    found = [tuple(line.split("\t")[:2]) for line in lines if line.strip()]
    if any(len(entry) != 2 or Path(entry[0]).name != entry[0] for entry in found):
        raise FormatError(f"{path}: each line needs a file name, a tab and a class")
    return found  # type: ignore[return-value]


def _names(folder: Path, ids: list[str]) -> list[str]:
    """The first English name of each class, or its id if words.txt does not have it."""
    lines = (line.partition("\t") for line in read_text(folder / "words.txt", _MOST_TEXT).splitlines())
    words = {wnid: names.partition(",")[0].strip() for wnid, _, names in lines}
    return [words.get(wnid) or wnid for wnid in ids]
