"""Features of many photos, computed once and kept in a memory-mapped file."""

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from minicap.arrays import Array, to_host
from minicap.arrays.out_of_memory import explain_out_of_memory
from minicap.data.crops import RandomCrop
from minicap.data.feature_cache import FeatureCache
from minicap.data.images import Preprocess
from minicap.errors import DtypeError, InputError, ShapeError
from minicap.training.ahead import made_ahead

_NAMED_AT_MOST = 5  # photos listed in one message


def extract_features(
    images: Sequence[str | os.PathLike[str]],
    encode: Callable[[np.ndarray], Array],
    preprocess: Preprocess | RandomCrop,
    key: str,
    folder: str | os.PathLike[str],
    batch_size: int = 32,
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """The features of every photo, read from a cache in `folder` or computed into it.

    images: N photo files.
    encode: a batch (B, 3, size, size) float32 to floats (B, ...), always of the same shape per photo; the
    array may live on any backend.
    key: identifies the encoder and its weights (a hash of them). Features of another key, another
    `preprocess` or other photos are never confused with these.
    progress: called with (photos done, N), first with what the cache already holds.
    Returns a read-only memory-mapped array (N, ...), row i for images[i].

    Finished rows survive a killed process, and rows of photos in other lists under the same key are reused,
    so only new photos are computed. A photo is the same while its path, size and modification time are.
    A damaged cache is recomputed; a warning is logged.
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


def _photo_states(paths: list[Path]) -> list[str]:
    """A text per photo that changes whenever the photo does. Raises InputError naming missing files."""
    states, missing = [], []
    for path in paths:
        try:
            info = path.stat()
        except (OSError, ValueError) as error:  # ValueError: the name holds a NUL
            missing.append(f"{path}: {getattr(error, 'strerror', error)}")
        else:
            states.append(f"{path.absolute()} {info.st_size} {info.st_mtime_ns}")
    _refuse(missing, len(paths))
    return states


def _refuse(unusable: list[str], total: int) -> None:
    if unusable:
        named = "; ".join(unusable[:_NAMED_AT_MOST])
        more = f"; and {len(unusable) - _NAMED_AT_MOST} more" if len(unusable) > _NAMED_AT_MOST else ""
        raise InputError(
            f"extract_features: {len(unusable)} of {total} photos cannot be used; repair or remove them "
            f"(features already computed are kept): {named}{more}"
        )


def _decoded(
    paths: list[Path], todo: np.ndarray, preprocess: Preprocess | RandomCrop, batch_size: int
) -> Generator[tuple[np.ndarray, np.ndarray, list[str]]]:
    """Yields (rows (B,), batch (B, 3, size, size), messages about bad photos); decodes one batch ahead."""

    def decode(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
        good, inputs, errors = [], [], []
        for row in rows:
            try:
                inputs.append(preprocess.read(paths[row]))
                good.append(row)
            except InputError as error:
                errors.append(str(error))
        return np.array(good, dtype=np.intp), np.stack(inputs) if inputs else np.empty(0), errors

    batches = [todo[start : start + batch_size] for start in range(0, len(todo), batch_size)]
    with made_ahead(decode, batches, threads=1) as decoded:
        yield from decoded


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
