"""Captioned photos in a plain folder: a CSV file that lists them, or a text file beside each photo."""

import csv
import hashlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

from minicap.data.captioned import (
    SPLITS,
    CaptionDataset,
    CaptionedImage,
    photo_path,
    refuse_missing,
    words_of,
)
from minicap.data.images import SUFFIXES
from minicap.errors import FormatError, InputError
from minicap.formats.documents import read_text

_MOST = 256 * 2**20  # bytes of a CSV file
_FEWEST_TO_SPLIT = 10  # photos; of fewer all are for training
_HELD_OUT = 10  # one photo in so many for "val", and as many for "test"


def load_folder(path: str | os.PathLike[str], outside: bool = False) -> CaptionDataset:
    """Read captioned photos from a plain folder, or from a CSV file in it.

    A CSV file has a row for each caption, below a header with the columns `photo`, `caption` and, if you
    like, `split` (train, val or test); it is separated by commas, semicolons or tabs, and photos lie beside
    it or in `images`. Without one, every photo of the folder has its captions in a text file of its own name
    (beach.jpg, beach.txt), one on a line; photos without such a file are left out.

    Without splits, one photo in ten is held out as "test" and one in ten as "val", when there are ten or
    more: the first ones in the order of the SHA-256 of their names, so the choice is the same everywhere.
    outside: allow photos outside the folder.
    Raises InputError for missing files, FormatError for files that are not laid out so.
    """
    path = Path(path)
    if not (os.path.isfile(path) or os.path.isdir(path)):  # unlike Path.is_file they take any length
        raise InputError(f"{path}: there is no such file or folder")
    folder = path if os.path.isdir(path) else path.parent
    table = _find_table(path) if path == folder else path
    rows = list(_table_rows(table, folder, outside) if table else _text_rows(folder))
    source = table or folder
    if not rows:
        raise InputError(
            f"{source}: no captions were found; a folder needs a CSV file with the columns photo and "
            "caption, or a text file beside each photo (beach.jpg, beach.txt)"
        )
    captions: dict[Path, list[str]] = {}
    splits: dict[Path, str] = {}
    for photo, caption, split in rows:
        captions.setdefault(photo, []).append(caption)
        if splits.setdefault(photo, split) != split:
            raise FormatError(f"{source}: {photo.name} is in two splits, {splits[photo]!r} and {split!r}")
    refuse_missing(source, folder, list(captions))
    if not any(splits.values()):
        splits = _deal(list(captions), folder)
    elif unsaid := [photo.name for photo, split in splits.items() if not split]:
        raise FormatError(f"{source}: {unsaid[0]} has no split, but others do; give one to all or none")
    images = tuple(
        CaptionedImage(
            photo, number, splits[photo], tuple(words_of(text) for text in texts), tuple(texts), {}
        )
        for number, (photo, texts) in enumerate(captions.items())
    )
    return CaptionDataset(folder.resolve().name or "photos", images)


def _find_table(folder: Path) -> Path | None:
    found = sorted(file for file in folder.iterdir() if file.suffix.lower() == ".csv")
    if len(found) > 1:
        raise InputError(f"{folder}: holds {len(found)} CSV files; name the one to read")
    return found[0] if found else None


def _table_rows(table: Path, folder: Path, outside: bool) -> Iterator[tuple[Path, str, str]]:
    text = io.StringIO(read_text(table, _MOST), newline="")
    separator = max(",;\t", key=text.readline().count)
    text.seek(0)
    photos = folder / "images" if os.path.isdir(folder / "images") else folder
    reader = csv.DictReader(text, delimiter=separator, strict=True)
    try:
        columns = [name.strip().lower() for name in reader.fieldnames or ()]
        if not {"photo", "caption"} <= set(columns):
            raise FormatError(f"{table}: the first line must name the columns photo and caption")
        reader.fieldnames = columns
        for cells in reader:
            where = f"{table}, line {reader.line_num}"
            if None in cells:
                raise FormatError(
                    f"{where}: more cells than columns; a caption with {separator!r} in it needs quotes"
                )
            name, caption, split = (cells.get(key) or "" for key in ("photo", "caption", "split"))
            if not name.strip() or not words_of(caption):
                raise FormatError(f"{where}: a photo and a caption with at least one word are needed")
            if split.strip() not in ("", *SPLITS):
                raise FormatError(f"{where}: unknown split {split!r}; known: {', '.join(SPLITS)}")
            yield photo_path(photos, Path(name.strip()), outside, where), caption.strip(), split.strip()
    except csv.Error as error:
        raise FormatError(f"{table}: not CSV ({error})") from None


def _text_rows(folder: Path) -> Iterator[tuple[Path, str, str]]:
    photos = folder / "images" if os.path.isdir(folder / "images") else folder
    for photo in sorted(photos.iterdir()):
        text = photo.with_suffix(".txt")
        if photo.suffix.lower() in SUFFIXES and os.path.isfile(text):
            for line in read_text(text, 2**20).splitlines():
                if words_of(line):
                    yield photo, line.strip(), ""


def _deal(photos: list[Path], folder: Path) -> dict[Path, str]:
    """A split for every photo, from its name alone."""
    held_out = len(photos) // _HELD_OUT if len(photos) >= _FEWEST_TO_SPLIT else 0
    dealt = sorted(photos, key=lambda photo: hashlib.sha256(os.path.relpath(photo, folder).encode()).digest())
    sizes = {"test": held_out, "val": held_out, "train": len(photos) - 2 * held_out}
    names = [split for split, size in sizes.items() for _ in range(size)]
    return dict(zip(dealt, names, strict=True))
