"""Captioned photos in a plain folder: a CSV file that lists them, or a text file beside each photo."""

import os
from collections.abc import Iterator
from pathlib import Path

from minicap.data.captioned import CaptionDataset, CaptionedImage, refuse_missing, words_of
from minicap.data.images import SUFFIXES
from minicap.data.tables import Row, find_table, read_table, splits_of
from minicap.errors import InputError
from minicap.formats.documents import read_text


def load_folder(path: str | os.PathLike[str], outside: bool = False, quoted: bool = True) -> CaptionDataset:
    """Read captioned photos from a plain folder, or from a CSV file in it.

    A CSV file has a row for each caption, below a header with the columns `photo` (or image, filename,
    image_id), `caption` and, optionally, `split` (train, val or test); it is separated by commas, semicolons
    or tabs, and photos lie beside it or in `images`. Without one, every photo of the folder has its captions
    in a text file of its own name (beach.jpg, beach.txt), one on a line; photos without such a file are left
    out.

    Without splits the photos are dealt out (`deal`).
    outside: allow photos outside the folder.
    quoted: False for a CSV file whose quotes are part of the captions. Its first column is the photo and its
    last the caption, which takes the rest of the row, commas included; a row begins where a line begins with
    the name of a photo, such as 12.jpg, and a separator.
    Raises InputError for missing files, FormatError for files that are not laid out so.
    """
    path = Path(path)
    if not (os.path.isfile(path) or os.path.isdir(path)):  # unlike Path.is_file they take any length
        raise InputError(f"{path}: there is no such file or folder")
    folder = path if os.path.isdir(path) else path.parent
    table = find_table(path) if path == folder else path
    rows = list(read_table(table, "caption", outside, quoted) if table else _text_rows(folder))
    source = table or folder
    if not rows:
        raise InputError(
            f"{source}: no captions were found; a folder needs a CSV file with the columns photo and "
            "caption, or a text file beside each photo (beach.jpg, beach.txt)"
        )
    captions: dict[Path, list[str]] = {}
    for photo, caption, _ in rows:
        captions.setdefault(photo, []).append(caption)
    splits = splits_of(rows, source, folder)
    refuse_missing(source, folder, list(captions))
    images = [
        CaptionedImage(photo, number, splits[photo], tuple(words_of(text) for text in texts), tuple(texts))
        for number, (photo, texts) in enumerate(captions.items())
    ]
    return CaptionDataset(folder.resolve().name or "photos", tuple(images))


def _text_rows(folder: Path) -> Iterator[Row]:
    photos = folder / "images" if os.path.isdir(folder / "images") else folder
    for photo in sorted(photos.iterdir()):
        text = photo.with_suffix(".txt")
        if photo.suffix.lower() in SUFFIXES and os.path.isfile(text):
            for line in read_text(text, 2**20).splitlines():
                if words_of(line):
                    yield photo, line.strip(), ""
