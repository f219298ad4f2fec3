"""Index rules: what CuPy would wrap, copy or leave undefined in silence is an error here."""

from typing import Any, NamedTuple

import numpy as np

from strict_cupy.errors import StrictError


class Index(NamedTuple):
    """An index as NumPy takes it.  arrays: how many integer arrays are in it.  masked: whether a mask is."""

    key: tuple[Any, ...]
    arrays: int
    masked: bool


def host_index(shape: tuple[int, ...], key: tuple[Any, ...], device_type: Any) -> Index:
    """Check an index into an array of this shape, and unpack its device arrays.

    Raises StrictError for host arrays, lists, a mask beside other arrays, and integers out of range.
    """
    axes_named = sum(_axes(part, device_type) for part in key)
    axis, arrays, masks, unpacked = 0, 0, 0, []
    for part in key:
        if isinstance(part, device_type):
            host = part._host
            if host.dtype == bool:
                masks += 1
            else:
                check_range(host, shape[axis])
                arrays += 1
            unpacked.append(host)
        elif part is None or part is Ellipsis or isinstance(part, (int, np.integer, slice)):
            unpacked.append(part)
        else:
            raise StrictError(
                f"a {type(part).__name__} as an index is copied to the device; move it there once"
            )
        axis += len(shape) - axes_named if part is Ellipsis else _axes(part, device_type)
    if masks and arrays + masks > 1:
        raise StrictError("CuPy takes a mask as an index only when it is the only array there")
    return Index(tuple(unpacked), arrays, bool(masks))


def check_range(indices: np.ndarray, size: int) -> None:
    """Raise StrictError when an integer index lies outside its axis."""
    if indices.dtype.kind not in "iu":
        raise StrictError(f"{indices.dtype} array as an index; it must hold integers or booleans")
    if indices.size and (indices.min() < -size or indices.max() >= size):
        raise StrictError(
            f"indices {indices.min()} to {indices.max()} into an axis of {size}: CuPy wraps them silently"
        )


def check_distinct(shape: tuple[int, ...], index: Index) -> None:
    """Raise StrictError when an assignment by integer arrays writes an entry twice."""
    positions = np.arange(int(np.prod(shape)), dtype=np.intp).reshape(shape)[index.key]
    if len(np.unique(positions)) < positions.size:
        raise StrictError("an index meets twice in an assignment: which value stays is undefined on a GPU")


def _axes(part: Any, device_type: Any) -> int:
    """How many axes of the array a part of an index uses up."""
    if part is None or part is Ellipsis:
        return 0
    if isinstance(part, device_type) and part.dtype == bool:
        return part.ndim
    return 1
