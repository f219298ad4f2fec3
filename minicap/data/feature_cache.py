"""Features of photos on disk: three files in a folder, filled by one process at a time."""

import errno
import hashlib
import json
import logging
import math
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from minicap.data.crops import RandomCrop
from minicap.data.images import Preprocess
from minicap.errors import FormatError, InputError, ShapeError
from minicap.formats import atomic_write_text, create_own, entry, open_own, read_json

_LOG = logging.getLogger(__name__)  # its warnings go to stderr unless logging is set up
_VERSION = 2  # large JPEGs are decoded at a fraction of their size
_LOCK_RETRY = 0.2  # seconds


class _Stored(NamedTuple):
    rows: np.memmap  # (N, ...)
    done: np.ndarray  # (N,) bool
    photos: list[str]  # one fingerprint per photo


class FeatureCache:
    """One list of photos under one encoder: a folder with three files.

    index.json says what the rows are and is written last, so where it exists the others do too.
    features.npy has the rows, done.bin a byte 1 for each finished row, written to disk after the row itself.
    """

    def __init__(self, root: Path, key: str, preprocess: Preprocess | RandomCrop, photos: list[str]) -> None:
        self._root = root
        self._photos = photos
        self._encoder = {"version": _VERSION, "key": key, "preprocess": json.loads(preprocess.to_json())}
        identity = json.dumps(self._index()).encode("utf-8")
        self.folder = root / hashlib.sha256(identity).hexdigest()[:16]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let only one process at a time fill a cache; a second one waits, then finds it full."""
        with _storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            if self.folder.is_symlink():
                raise InputError(f"the feature cache {self.folder} is a symbolic link; delete it")
            lock = open_own(self.folder / "lock", append=True)
        with lock:  # closing it, or the end of the process, unlocks
            if not _try_lock(lock):
                _LOG.warning("waiting for another process that is filling the feature cache %s", self.folder)
                while not _try_lock(lock):
                    time.sleep(_LOCK_RETRY)
            yield

    def open(self) -> np.ndarray:
        """Return which rows are finished, (N,) bool.  A damaged or foreign cache starts afresh."""
        if (self.folder / "index.json").exists():
            try:
                stored = _load(self.folder, self._encoder)
                if stored.photos == self._photos:
                    return stored.done
                damage = "it belongs to other photos"
            except FormatError as error:
                damage = str(error)
            _LOG.warning("computing the feature cache %s afresh: %s", self.folder, damage)
            with _storage_errors(self.folder):
                (self.folder / "index.json").unlink()
        done = np.zeros(len(self._photos), dtype=bool)
        self._take_over(done)
        return done

    def write(self, rows: np.ndarray, features: np.ndarray) -> None:
        """Store features (B, ...) as the given rows (B,), and mark them as finished."""
        if not (self.folder / "index.json").exists():
            self._create(features)
        stored = self.rows()
        if features.shape[1:] != stored.shape[1:]:
            raise ShapeError(
                f"extract_features: encode gives features {features.shape[1:]} per photo, but the cache has "
                f"{stored.shape[1:]} under the same key; another encoder needs another key"
            )
        row_bytes = stored[0].nbytes
        # Written as a file: a full disk would kill a process that writes through the memory map.
        with _storage_errors(self.folder):
            with open_own(self.folder / "features.npy") as file:
                for row, feature in zip(rows, features.astype(stored.dtype, copy=False), strict=True):
                    file.seek(stored.offset + int(row) * row_bytes)
                    file.write(feature.tobytes())
                _to_disk(file)
            with open_own(self.folder / "done.bin") as file:
                for row in rows:
                    file.seek(int(row))
                    file.write(b"\1")
                _to_disk(file)

    def rows(self) -> np.memmap:
        """All rows (N, ...), read-only; those not finished are zero."""
        with _storage_errors(self.folder):
            return _mapped(self.folder / "features.npy")

    def _index(self) -> dict[str, object]:
        return self._encoder | {"photos": self._photos}

    def _create(self, features: np.ndarray) -> None:
        shape = (len(self._photos), *features.shape[1:])
        with _storage_errors(self.folder):
            with create_own(self.folder / "features.npy") as file:
                described = {"descr": features.dtype.str, "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, described)
                file.truncate(file.tell() + math.prod(shape) * features.itemsize)
            with create_own(self.folder / "done.bin") as file:
                file.write(bytes(len(self._photos)))
        atomic_write_text(self.folder / "index.json", json.dumps(self._index()))

    def _take_over(self, done: np.ndarray) -> None:
        """Copy finished rows of the same photos from the caches of other lists."""
        row_of = {photo: row for row, photo in enumerate(self._photos)}
        for index in sorted(self._root.glob("*/index.json")):
            try:
                other = _load(index.parent, self._encoder)
            except FormatError:
                continue
            pairs = [
                (row_of[photo], row)
                for row, photo in enumerate(other.photos)
                if photo in row_of and other.done[row] and not done[row_of[photo]]
            ]
            for start in range(0, len(pairs), 1024):
                to, source = np.array(pairs[start : start + 1024]).T
                self.write(to, other.rows[source])
                done[to] = True


def _load(folder: Path, encoder: dict[str, object]) -> _Stored:
    """Raises FormatError when a file is missing or damaged, or does not belong to this encoder."""
    try:
        index = read_json(folder / "index.json")
        if not isinstance(index, dict):
            raise FormatError("damaged (its index is not an object)")
        photos = entry(index, "photos", list, "damaged")
        if {key: value for key, value in index.items() if key != "photos"} != encoder:
            raise FormatError("it belongs to another encoder")
        rows = _mapped(folder / "features.npy")
        with open_own(folder / "done.bin") as file:
            marks = file.read(len(photos) + 1)
        if not len(rows) == len(marks) == len(photos):
            raise FormatError(f"{len(rows)} rows, {len(marks)} marks and {len(photos)} photos do not fit")
    except FormatError:
        raise
    except (OSError, InputError) as error:
        raise FormatError(f"damaged ({error})") from error
    return _Stored(rows, np.frombuffer(marks, dtype=np.uint8) == 1, photos)


def _mapped(path: Path) -> np.memmap:
    """The array of floats in a .npy file, read-only.

    Raises OSError as `open_own`, FormatError for any other content. A map longer than its file would kill the
    process when the missing part is accessed, so the size is checked.
    """
    with open_own(path) as file:
        try:
            np.lib.format.read_magic(file)
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        except Exception as error:  # NumPy's reader raises almost any type on damaged files
            raise FormatError(f"damaged ({error})") from error
        size = file.tell() + math.prod(shape) * dtype.itemsize
        if fortran_order or not np.issubdtype(dtype, np.floating) or min(shape, default=0) < 1:
            raise FormatError(f"damaged (an array {shape} of {dtype})")
        if os.fstat(file.fileno()).st_size != size:
            raise FormatError(f"damaged (not the {size:,} bytes that its rows take)")
        return np.memmap(file, dtype, "r", file.tell(), shape)


def _to_disk(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _try_lock(file: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EACCES, errno.EAGAIN)  # else there are no locks: go on
    return True


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"cannot keep the feature cache {folder}: {error.strerror or error}; "
            "set MINICAP_CACHE to a writable folder"
        ) from error
