"""Pretrained word vectors in the text formats of GloVe and word2vec, plain or in a zip archive."""

import os
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
from numpy.typing import NDArray

from minicap.errors import FormatError, InputError
from minicap.formats.regular import open_regular

_LONGEST_LINE = 64 * 2**10  # bytes


def read_word_vectors(
    path: str | os.PathLike[str], words: Collection[str], size: int
) -> dict[str, NDArray[np.float32]]:
    """The vectors of those words that the file knows, `size` numbers each.

    A line is a word and its numbers; word2vec's first line, which counts words and numbers, is passed over.
    Of a zip archive, the text file with `size` numbers a line is read.  Other words are not kept, so the
    file may be much larger than memory.
    Raises InputError when it cannot be read or has no vectors of this size, FormatError naming the line that
    is damaged.
    """
    path, wanted = os.fspath(path), {word.encode(): word for word in words}
    found: dict[str, NDArray[np.float32]] = {}
    try:
        with _text_file(path, size) as file:
            for number, line in enumerate(_lines(file), start=1):
                first, _, rest = line.partition(b" ")
                if first in wanted and wanted[first] not in found and not _is_header(number, line):
                    numbers = rest.split()
                    # GloVe's largest file has "words" with spaces in them, such as ". . .".
                    if len(numbers) <= size:
                        found[wanted[first]] = _vector(numbers, size, f"{path}, line {number}")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FormatError(f"{path}: a damaged zip archive, or none that can be read ({error})") from None
    return found


@contextmanager
def _text_file(path: str, size: int) -> Iterator[IO[bytes]]:
    """The file, or the one in the archive, that has `size` numbers a line, from its beginning on."""
    with open_regular(path) as file:
        if not zipfile.is_zipfile(file):
            file.seek(0)
            _require_size(path, {path: _size(file)}, size)
            file.seek(0)
            yield file
            return
        with zipfile.ZipFile(file) as archive:
            sizes = {}
            for name in archive.namelist():
                if name.endswith((".txt", ".vec")):
                    with archive.open(name) as member:
                        sizes[name] = _size(member)
            with archive.open(_require_size(path, sizes, size)) as member:
                yield member


def _size(file: IO[bytes]) -> int:
    """Numbers a line, by the first line that is no header."""
    for number, line in enumerate(_lines(file), start=1):
        if not _is_header(number, line):
            return len(line.split()) - 1
    return 0


def _require_size(path: str, sizes: dict[str, int], size: int) -> str:
    for name, its in sizes.items():
        if its == size:
            return name
    there = ", ".join(str(its) for its in sorted(set(sizes.values()))) or "no"
    raise InputError(f"{path} has vectors of {there} numbers, but the words of this model have {size}")


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(_LONGEST_LINE):
        yield line.rstrip()


def _is_header(number: int, line: bytes) -> bool:
    return number == 1 and len(line.split()) == 2


def _vector(numbers: list[bytes], size: int, where: str) -> NDArray[np.float32]:
    try:
        vector = np.array([float(number) for number in numbers], dtype=np.float32)
    except ValueError:
        raise FormatError(f"{where}: a word must be followed by numbers") from None
    if len(vector) != size:
        raise FormatError(f"{where}: {len(vector)} numbers where there should be {size}")
    if not np.isfinite(vector).all():
        raise FormatError(f"{where}: a number is not finite")
    return vector
