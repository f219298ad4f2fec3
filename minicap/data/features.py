"""Features of many photos, computed once and kept in a memory-mapped file."""

import errno
import hashlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from minicap.arrays import Array, to_host
from minicap.arrays.out_of_memory import explain_out_of_memory
from minicap.data.images import Preprocess, load_image
from minicap.errors import DtypeError, FormatError, InputError, ShapeError
from minicap.formats import atomic_write_text

_LOG = logging.getLogger(__name__)  # its warnings go to stderr where nobody has set up logging
_VERSION = 1
_NAMED_AT_MOST = 5  # photos listed in one message
_LOCK_RETRY = 0.2  # seconds


def extract_features(
    images: Sequence[str | os.PathLike[str]],
    encode: Callable[[np.ndarray], Array],
    preprocess: Preprocess,
    key: str,
    folder: str | os.PathLike[str],
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """The features of every photo, read from a cache in `folder` or computed into it.

    images: N photo files.
    encode: a batch (B, 3, size, size) float32 to floats (B, ...), always of the same shape a photo; the array
    may live on any backend.
    key: names the encoder and its weights (a hash of them). Features of another key, another `preprocess` or
    other photos are never mixed up with these.
    progress: called with (photos done, N), first with what the cache already holds.
    Returns a read-only memory-mapped array (N, ...), row i for images[i].

    Finished rows survive a killed process, and rows of photos in other lists under the same key are taken
    over, so only what is new is computed. A photo is the same while its path, size and time of change are.
    A damaged cache is computed anew; a warning is logged.
    Raises InputError for photos that cannot be used (all others are finished first, then one message names
    them), an unwritable folder, a full disk, features that are not finite; ShapeError for features of a
    changing shape; DeviceMemoryError when a GPU has no room for a batch.
    """
    paths = [Path(image) for image in images]
    if not paths or batch_size < 1:
        raise InputError(
            f"extract_features: {len(paths)} images, batch_size {batch_size}; both must be at least 1"
        )
    cache = FeatureCache(Path(folder), key, preprocess, _photo_states(paths))
    with cache.locked():
        done = cache.open()
        report = progress or (lambda done, total: None)
        report(int(done.sum()), len(paths))
        unusable: list[str] = []
        with closing(_decoded(paths, np.flatnonzero(~done), preprocess, batch_size)) as batches:
            for rows, batch, errors in batches:
                unusable += errors
                if len(rows):
                    cache.write(rows, _features(encode, batch, [paths[row] for row in rows]))
                    done[rows] = True
                    report(int(done.sum()), len(paths))
        _refuse(unusable, len(paths))
        return cache.rows()


class _Stored(NamedTuple):
    rows: np.memmap  # (N, ...)
    done: np.ndarray  # (N,) bool
    photos: list[str]  # their states


class FeatureCache:
    """One list of photos under one encoder: a folder with three files.

    index.json says what the rows are and is written last, so where it stands the others do too.
    features.npy has the rows, done.bin a byte 1 for each finished one, on the disk after the row itself.
    """

    def __init__(self, root: Path, key: str, preprocess: Preprocess, photos: list[str]) -> None:
        self._root = root
        self._photos = photos
        self._encoder = {"version": _VERSION, "key": key, "preprocess": json.loads(preprocess.to_json())}
        identity = json.dumps(self._index()).encode("utf-8")
        self.folder = root / hashlib.sha256(identity).hexdigest()[:16]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Only one process at a time fills a cache; a second one waits, then finds it full."""
        with _storage_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = open(self.folder / "lock", "wb")  # noqa: SIM115  only the opening may fail here
        with lock:  # closing it, or the end of the process, unlocks
            if not _try_lock(lock):
                _LOG.warning("waiting for another process that fills the feature cache %s", self.folder)
                while not _try_lock(lock):
                    time.sleep(_LOCK_RETRY)
            yield

    def open(self) -> np.ndarray:
        """Returns (N,) bool: the rows that are finished.  A damaged or foreign cache starts anew."""
        if (self.folder / "index.json").exists():
            try:
                stored = _load(self.folder, self._encoder)
                if stored.photos == self._photos:
                    return stored.done
                damage = "it belongs to other photos"
            except FormatError as error:
                damage = str(error)
            _LOG.warning("the feature cache %s is computed anew: %s", self.folder, damage)
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
                f"extract_features: encode gives features {features.shape[1:]} a photo, but the cache holds "
                f"{stored.shape[1:]} under the same key; another encoder needs another key"
            )
        row_bytes = stored[0].nbytes
        # Written as a file: through the memory map a full disk would kill the process.
        with _storage_errors(self.folder):
            with open(self.folder / "features.npy", "r+b") as file:
                for row, feature in zip(rows, features.astype(stored.dtype, copy=False), strict=True):
                    file.seek(stored.offset + int(row) * row_bytes)
                    file.write(feature.tobytes())
                _to_disk(file)
            with open(self.folder / "done.bin", "r+b") as file:
                for row in rows:
                    file.seek(int(row))
                    file.write(b"\1")
                _to_disk(file)

    def rows(self) -> np.memmap:
        """All rows (N, ...), read-only; those not finished are zero."""
        return np.load(self.folder / "features.npy", mmap_mode="r")

    def _index(self) -> dict[str, object]:
        return self._encoder | {"photos": self._photos}

    def _create(self, features: np.ndarray) -> None:
        shape = (len(self._photos), *features.shape[1:])
        with _storage_errors(self.folder):
            np.lib.format.open_memmap(self.folder / "features.npy", "w+", features.dtype, shape)
            (self.folder / "done.bin").write_bytes(bytes(len(self._photos)))
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
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        photos = index.pop("photos")
        if index != encoder:
            raise FormatError("it belongs to another encoder")
        rows = np.load(folder / "features.npy", mmap_mode="r")
        marks = (folder / "done.bin").read_bytes()
        if not len(rows) == len(marks) == len(photos):
            raise FormatError(f"{len(rows)} rows, {len(marks)} marks and {len(photos)} photos do not fit")
    except FormatError:
        raise
    except (OSError, ValueError, EOFError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"damaged ({error})") from error
    return _Stored(rows, np.frombuffer(marks, dtype=np.uint8) == 1, photos)


def _photo_states(paths: list[Path]) -> list[str]:
    """What changes whenever a photo does. Raises InputError naming the files that are not there."""
    states, missing = [], []
    for path in paths:
        try:
            info = path.stat()
        except OSError as error:
            missing.append(f"{path}: {error.strerror}")
        else:
            states.append(f"{path.absolute()} {info.st_size} {info.st_mtime_ns}")
    _refuse(missing, len(paths))
    return states


def _refuse(unusable: list[str], total: int) -> None:
    if unusable:
        named = "; ".join(unusable[:_NAMED_AT_MOST])
        more = f"; and {len(unusable) - _NAMED_AT_MOST} more" if len(unusable) > _NAMED_AT_MOST else ""
        raise InputError(
            f"extract_features: {len(unusable)} of {total} photos cannot be used; mend them or take them out "
            f"(finished features are kept): {named}{more}"
        )


def _decoded(
    paths: list[Path], todo: np.ndarray, preprocess: Preprocess, batch_size: int
) -> Generator[tuple[np.ndarray, np.ndarray, list[str]]]:
    """Yields (rows (B,), batch (B, 3, size, size), messages about bad photos); decodes one batch ahead."""

    def decode(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
        good, inputs, errors = [], [], []
        for row in rows:
            try:
                inputs.append(preprocess(load_image(paths[row])))
                good.append(row)
            except InputError as error:
                errors.append(str(error))
        return np.array(good, dtype=np.intp), np.stack(inputs) if inputs else np.empty(0), errors

    batches = [todo[start : start + batch_size] for start in range(0, len(todo), batch_size)]
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending = [pool.submit(decode, rows) for rows in batches[:1]]
        for following in [*batches[1:], None]:
            ready = pending.pop().result() if pending else None
            if following is not None:
                pending.append(pool.submit(decode, following))
            if ready is not None:
                yield ready


def _features(encode: Callable[[np.ndarray], Array], batch: np.ndarray, paths: list[Path]) -> np.ndarray:
    with explain_out_of_memory(len(batch)):
        features: np.ndarray = np.asarray(to_host(encode(batch)))
    if features.ndim < 2 or len(features) != len(batch) or features.size == 0:
        raise ShapeError(
            f"extract_features: encode made {features.shape} of {batch.shape}; ({len(batch)}, F) is needed"
        )
    if not np.issubdtype(features.dtype, np.floating):
        raise DtypeError(f"extract_features: encode returned {features.dtype}; floats are needed")
    finite = np.isfinite(features.reshape(len(features), -1)).all(axis=1)
    if not finite.all():
        raise InputError(f"extract_features: encode gave NaN or infinity for {paths[int(finite.argmin())]}")
    return features


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
        return error.errno not in (errno.EACCES, errno.EAGAIN)  # else the file system knows no locks: go on
    return True


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot keep the feature cache {folder}: {error.strerror or error}") from error
