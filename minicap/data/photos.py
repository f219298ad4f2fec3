"""Photos from paths and folders, one by one, in constant memory."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from minicap.data.images import SUFFIXES
from minicap.errors import InputError


def find_photos(paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """The photos at some paths: a file as it is, a folder as all photos in and below it, in sorted order.

    Hidden files and folders in it, whose names start with a dot, are skipped.
    paths: one or several.  Raises InputError for a folder without photos.
    """
    for path in map(Path, [paths] if isinstance(paths, (str, os.PathLike)) else paths):
        if not os.path.isdir(path):
            yield path
            continue
        found = False
        for folder, folders, names in os.walk(path):
            folders[:] = sorted(name for name in folders if name[0] != ".")  # os.walk goes down in this order
            for name in sorted(names):
                if name[0] != "." and Path(name).suffix.lower() in SUFFIXES:
                    found = True
                    yield Path(folder) / name
        if not found:
            raise InputError(f"{path}: there are no photos in this folder")
