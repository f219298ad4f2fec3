"""Captioned photos in splits, from any layout."""

import hashlib
import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from minicap.errors import FormatError, InputError

SPLITS = ("train", "val", "test")

_FEWEST_TO_SPLIT = 10  # photos; with fewer, all are for training
_HELD_OUT = 10  # one photo in so many for "val", and as many for "test"
_NAMED_AT_MOST = 5  # files listed in one message
_FEW_PHOTOS = 500  # for training
_TAIL = 4096  # bytes; photos of equal size with the same last bytes are compared in full


@dataclass(frozen=True)
class CaptionedImage:
    path: Path
    image_id: int | str
    split: str  # "train", "val" or "test"
    captions: tuple[tuple[str, ...], ...]  # the tokens of each
    raw: tuple[str, ...]  # the same captions as they were written
    extra: Mapping[str, Any] = field(default_factory=dict)  # other keys of the file, such as category_ids


@dataclass(frozen=True)
class CaptionDataset:
    name: str
    images: tuple[CaptionedImage, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)  # other keys of the file, such as categories

    def __len__(self) -> int:
        return len(self.images)

    def counts(self) -> dict[str, int]:
        """Photos in each split."""
        counter = Counter(image.split for image in self.images)
        return {split: counter[split] for split in SPLITS}

    def split(self, name: str) -> tuple[CaptionedImage, ...]:
        """The photos of "train", "val" or "test", in the order of the file.

        Raises InputError for another name and for a split without photos.
        """
        if name not in SPLITS:
            raise InputError(f"{self.name}: there is no split {name!r}; the splits are {', '.join(SPLITS)}")
        found = tuple(image for image in self.images if image.split == name)
        if not found:
            counts = ", ".join(f"{split} {count}" for split, count in self.counts().items())
            raise InputError(f"{self.name}: the split {name!r} has no photos ({counts})")
        return found


def words_of(caption: str) -> tuple[str, ...]:
    """The words of a written caption: lower case, without punctuation except the apostrophe."""
    return tuple(re.findall(r"(?:[^\W_]|')+", caption.lower().replace("’", "'")))


def with_words(captions: Iterable[str]) -> list[tuple[tuple[str, ...], str]]:
    """The words and the text of every caption that has words."""
    return [(words, text) for text in captions if (words := words_of(text))]


def deal(photos: Sequence[Path], folder: Path) -> dict[Path, str]:
    """A split for every photo, by the names of their files below the folder alone.

    If there are ten or more, one in ten is held out as "test" and one in ten as "val": the first in the order
    of the SHA-256 of their names, so the choice is the same everywhere.
    """
    held_out = len(photos) // _HELD_OUT if len(photos) >= _FEWEST_TO_SPLIT else 0
    names = {photo: Path(os.path.relpath(photo, folder)).as_posix() for photo in photos}
    order = sorted(names, key=lambda path: hashlib.sha256(names[path].encode()).digest())
    split = dict.fromkeys(order, "train") | dict.fromkeys(order[: 2 * held_out], "val")
    return split | dict.fromkeys(order[:held_out], "test")


def dealt(images: Sequence[CaptionedImage], folder: Path) -> list[CaptionedImage]:
    """The images in the splits that `deal` gives them."""
    splits = deal([image.path for image in images], folder)
    return [replace(image, split=splits[image.path]) for image in images]


def photo_path(folder: Path, name: Path, outside: bool, where: str) -> Path:
    """The path of a data set's photo.

    Raises FormatError when its name leads out of the folder and `outside` does not allow that.
    """
    if not outside and (name.anchor or ".." in name.parts):
        raise FormatError(
            f"{where}: {str(name)!r} leads out of the folder {folder}; "
            "where you trust the data set, allow that with --outside (outside = true in a config.toml)"
        )
    return folder / name


def refuse_missing(source: Path, folder: Path, photos: Sequence[Path]) -> None:
    """Raise InputError when photos of a data set in `folder` are missing, naming the first."""
    missing = [path for path in photos if not os.path.isfile(path)]  # which takes names of any length
    if missing:
        below = f"{folder.as_posix()}/"
        names = ", ".join(path.as_posix().removeprefix(below) for path in missing[:_NAMED_AT_MOST])
        more = ", ..." if len(missing) > _NAMED_AT_MOST else ""
        raise InputError(
            f"{source}: {len(missing)} of {len(photos)} photos are missing in {folder}: {names}{more}"
        )


def seen_in_training(dataset: CaptionDataset) -> list[tuple[Path, Path]]:
    """Held-out photos that are also in the split "train", under any name: (held out, its twin in training).

    A model may have memorised them, so scores on them mean little.
    """
    alike: dict[tuple[int, bytes], list[CaptionedImage]] = defaultdict(list)
    sizes = Counter(image.path.stat().st_size for image in dataset.images)
    for image in dataset.images:
        size = image.path.stat().st_size
        if sizes[size] > 1:
            alike[size, _ending(image.path, size)].append(image)
    twins = []
    for images in alike.values():
        if len({image.split for image in images}) > 1:
            digest = {image.path: hashlib.sha256(image.path.read_bytes()).digest() for image in images}
            training = {digest[image.path]: image.path for image in images if image.split == "train"}
            twins += [
                (image.path, training[digest[image.path]])
                for image in images
                if image.split != "train" and digest[image.path] in training
            ]
    return twins


def _ending(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        file.seek(max(size - _TAIL, 0))
        return file.read()


def shortcomings(dataset: CaptionDataset) -> list[str]:
    """What makes it hard to learn from these photos, or to judge the result: one sentence each."""
    counts = dataset.counts()
    train = [image for image in dataset.images if image.split == "train"]
    seen = Counter(word for image in train for caption in image.captions for word in caption)
    found = []
    if not train:
        found.append("there are no training photos")
    elif len(train) < _FEW_PHOTOS:
        found.append(
            f"{len(train)} photos are few to learn from: a captioner trained on them alone learns only "
            "their phrases"
        )
    if seen and sum(count == 1 for count in seen.values()) > len(seen) / 2:
        found.append(
            "more than half of the words occur only once in training; learning a word takes several photos"
        )
    if not counts["val"]:
        found.append(
            'there are no validation photos (split "val"): the training loss decides which epoch is the best'
        )
    if not counts["test"]:
        found.append('there are no test photos (split "test"): no score will show how good the captions are')
    return found
