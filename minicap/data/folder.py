"""Captioned photos in a plain folder: a CSV file that lists them, or a text file beside each photo."""

import csv
import io
import os
import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from minicap.data.captioned import (
    SPLITS,
    CaptionDataset,
    CaptionedImage,
    deal,
    photo_path,
    refuse_missing,
    words_of,
)
from minicap.data.images import SUFFIXES
from minicap.errors import FormatError, InputError
from minicap.formats.documents import read_text

_MOST = 256 * 2**20  # bytes of a CSV file
_PHOTO_COLUMNS = ("photo", "image", "filename", "file_name", "imageid", "image_id")
_UNQUOTED = "where quotes are part of the captions, read it by load_folder(..., quoted=False)"

Row = tuple[Path, str, str]  # photo, caption, split


def load_folder(path: str | os.PathLike[str], outside: bool = False, quoted: bool = True) -> CaptionDataset:
    """Read captioned photos from a plain folder, or from a CSV file in it.

    A CSV file has a row for each caption, below a header with the columns `photo` (or image, filename,
    image_id), `caption` and, if you like, `split` (train, val or test); it is separated by commas, semicolons
    or tabs, and photos lie beside it or in `images`. Without one, every photo of the folder has its captions
    in a text file of its own name (beach.jpg, beach.txt), one on a line; photos without such a file are left
    out.

    Without splits the photos are dealt out (`deal`).
    outside: allow photos outside the folder.
    quoted: False for a CSV file whose quotes are part of the captions. Its first column is the photo and its
    last the caption, which has the rest of the row, commas and all; a row begins where a line begins with the
    name of a photo, such as 12.jpg, and a separator.
    Raises InputError for missing files, FormatError for files that are not laid out so.
    """
    path = Path(path)
    if not (os.path.isfile(path) or os.path.isdir(path)):  # unlike Path.is_file they take any length
        raise InputError(f"{path}: there is no such file or folder")
    folder = path if os.path.isdir(path) else path.parent
    table = _find_table(path) if path == folder else path
    rows = list(_table_rows(table, folder, outside, quoted) if table else _text_rows(folder))
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
    images = [
        CaptionedImage(photo, number, splits[photo], tuple(words_of(text) for text in texts), tuple(texts))
        for number, (photo, texts) in enumerate(captions.items())
    ]
    if not any(splits.values()):
        images = deal(images, folder)
    elif unsaid := [photo.name for photo, split in splits.items() if not split]:
        raise FormatError(f"{source}: {unsaid[0]} has no split, but others do; give one to all or none")
    return CaptionDataset(folder.resolve().name or "photos", tuple(images))


def _find_table(folder: Path) -> Path | None:
    found = sorted(file for file in folder.iterdir() if file.suffix.lower() == ".csv")
    if len(found) > 1:
        raise InputError(f"{folder}: holds {len(found)} CSV files; name the one to read")
    return found[0] if found else None


def _table_rows(table: Path, folder: Path, outside: bool, quoted: bool) -> Iterator[Row]:
    text = io.StringIO(read_text(table, _MOST), newline="")
    header = text.readline()
    separator = max(",;\t", key=header.count)
    columns = [name.strip().lower() for name in next(csv.reader([header], delimiter=separator), [])]
    photo = next((columns.index(name) for name in _PHOTO_COLUMNS if name in columns), -1)
    if photo < 0 or "caption" not in columns:
        raise FormatError(f"{table}: the first line must name the columns photo and caption")
    if not quoted and (photo, columns.index("caption")) != (0, len(columns) - 1):
        raise FormatError(f"{table}: without quotes the photo must be the first column, the caption the last")
    photos = folder / "images" if os.path.isdir(folder / "images") else folder
    rows = _quoted(text, separator, table) if quoted else _unquoted(text, separator, len(columns))
    for line, cells in rows:
        where = f"{table}, line {line}"
        if len(cells) > len(columns):
            raise FormatError(
                f"{where}: more cells than columns; a caption with {separator!r} in it needs quotes; "
                f"{_UNQUOTED}"
            )
        found = dict(zip(columns, cells, strict=False))
        name, caption, split = (found.get(key, "").strip() for key in (columns[photo], "caption", "split"))
        if not name or not words_of(caption):
            raise FormatError(f"{where}: a photo and a caption with at least one word are needed")
        if split not in ("", *SPLITS):
            raise FormatError(f"{where}: unknown split {split!r}; known: {', '.join(SPLITS)}")
        yield photo_path(photos, Path(name), outside, where), caption, split


def _quoted(text: io.StringIO, separator: str, table: Path) -> Iterator[tuple[int, list[str]]]:
    """The line that a row ends on and its cells, as CSV has it."""
    reader = csv.reader(text, delimiter=separator, strict=True)
    try:
        for cells in reader:
            if cells:
                yield 1 + reader.line_num, cells
    except csv.Error as error:
        raise FormatError(f"{table}: not CSV ({error}); {_UNQUOTED}") from None


def _unquoted(text: io.StringIO, separator: str, columns: int) -> Iterator[tuple[int, list[str]]]:
    """The line that a row begins on and its cells, the last of which has all that is left."""
    endings = "|".join(re.escape(ending) for ending in SUFFIXES)
    begins = re.compile(rf"^[^\r\n{separator}]+(?:{endings}){separator}", re.IGNORECASE | re.MULTILINE)
    rest = text.read()
    starts = [match.start() for match in begins.finditer(rest)]
    line, before = 2, 0
    for start, end in pairwise([*starts, len(rest)]):
        line, before = line + rest.count("\n", before, start), start
        yield line, rest[start:end].split(separator, columns - 1)


def _text_rows(folder: Path) -> Iterator[Row]:
    photos = folder / "images" if os.path.isdir(folder / "images") else folder
    for photo in sorted(photos.iterdir()):
        text = photo.with_suffix(".txt")
        if photo.suffix.lower() in SUFFIXES and os.path.isfile(text):
            for line in read_text(text, 2**20).splitlines():
                if words_of(line):
                    yield photo, line.strip(), ""
