"""Photos listed in a CSV file, each in one row or several."""

import csv
import io
import os
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from minicap.data.captioned import SPLITS, deal, photo_path, words_of
from minicap.data.images import SUFFIXES
from minicap.errors import FormatError, InputError
from minicap.formats.documents import read_text

_MOST = 256 * 2**20  # bytes of a CSV file
_PHOTO_COLUMNS = ("photo", "image", "filename", "file_name", "imageid", "image_id")
_UNQUOTED = "where quotes are part of the captions, read it by load_folder(..., quoted=False)"

Row = tuple[Path, str, str]  # photo, its caption or labels, split


def find_table(folder: Path) -> Path | None:
    """The CSV file of a folder, None if there is none.  Raises InputError when there are several."""
    found = sorted(file for file in folder.iterdir() if file.suffix.lower() == ".csv")
    if len(found) > 1:
        raise InputError(f"{folder}: holds {len(found)} CSV files; name the one to read")
    return found[0] if found else None


def read_table(table: Path, column: str, outside: bool, quoted: bool = True) -> Iterator[Row]:
    """The rows of a CSV file with the columns `photo`, `column` and, perhaps, `split` (see `load_folder`).

    Raises InputError when it cannot be read, FormatError when it is not laid out so.
    """
    text = io.StringIO(read_text(table, _MOST), newline="")
    header = text.readline()
    separator = max(",;\t", key=header.count)
    columns = [name.strip().lower() for name in next(csv.reader([header], delimiter=separator), [])]
    photo = next((columns.index(name) for name in _PHOTO_COLUMNS if name in columns), -1)
    if photo < 0 or column not in columns:
        raise FormatError(f"{table}: the first line must name the columns photo and {column}")
    if not quoted and (photo, columns.index(column)) != (0, len(columns) - 1):
        raise FormatError(
            f"{table}: without quotes the photo must be the first column, the {column} the last"
        )
    folder = table.parent
    photos = folder / "images" if os.path.isdir(folder / "images") else folder
    rows = _quoted(text, separator, table) if quoted else _unquoted(text, separator, len(columns))
    for line, cells in rows:
        where = f"{table}, line {line}"
        if len(cells) > len(columns):
            raise FormatError(
                f"{where}: more cells than columns; a {column} with {separator!r} in it needs quotes; "
                f"{_UNQUOTED}"
            )
        found = dict(zip(columns, cells, strict=False))
        name, value, split = (found.get(key, "").strip() for key in (columns[photo], column, "split"))
        if not name or (column == "caption" and not words_of(value)):
            raise FormatError(f"{where}: a photo and a caption with at least one word are needed")
        if split not in ("", *SPLITS):
            raise FormatError(f"{where}: unknown split {split!r}; known: {', '.join(SPLITS)}")
        yield photo_path(photos, Path(name), outside, where), value, split


def splits_of(rows: Sequence[Row], source: Path, folder: Path) -> dict[Path, str]:
    """The split of every photo: the one that its rows give, or dealt (`deal`) if no row gives any.

    Raises FormatError for a photo in two splits, and when some have one and others do not.
    """
    splits: dict[Path, str] = {}
    for photo, _, split in rows:
        if splits.setdefault(photo, split) != split:
            raise FormatError(f"{source}: {photo.name} is in two splits, {splits[photo]!r} and {split!r}")
    if not any(splits.values()):
        return deal(list(splits), folder)
    if unsaid := [photo.name for photo, split in splits.items() if not split]:
        raise FormatError(f"{source}: {unsaid[0]} has no split, but others do; give one to all or none")
    return splits


def _quoted(text: io.StringIO, separator: str, table: Path) -> Iterator[tuple[int, list[str]]]:
    """The line that a row ends on and its cells, as CSV defines them."""
    reader = csv.reader(text, delimiter=separator, strict=True)
    try:
        for cells in reader:
            if cells:
                yield 1 + reader.line_num, cells
    except csv.Error as error:
        raise FormatError(f"{table}: not CSV ({error}); {_UNQUOTED}") from None


def _unquoted(text: io.StringIO, separator: str, columns: int) -> Iterator[tuple[int, list[str]]]:
    """The line that a row begins on and its cells, the last of which has the rest of the row."""
    endings = "|".join(re.escape(ending) for ending in SUFFIXES)
    begins = re.compile(rf"^[^\r\n{separator}]+(?:{endings}){separator}", re.IGNORECASE | re.MULTILINE)
    rest = text.read()
    starts = [match.start() for match in begins.finditer(rest)]
    line, before = 2, 0
    for start, end in pairwise([*starts, len(rest)]):
        line, before = line + rest.count("\n", before, start), start
        yield line, rest[start:end].split(separator, columns - 1)
