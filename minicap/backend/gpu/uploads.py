"""Batches on their way to the device, on a stream of their own, while the device computes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from minicap.arrays.backends import Array, Uploads


class StreamUploads(Uploads):
    """Copies that begin before they are asked for, and that the host does not wait for.

    CuPy copies a host array by way of pinned memory, which it keeps until the copy is done.  What is left to
    do is to order the two streams.  A batch may be read until the one after the next is begun.
    """

    def __init__(self, xp: Any) -> None:
        self.xp, self.stream = xp, xp.cuda.Stream(non_blocking=True)
        self._begun: dict[int, tuple[Any, Any]] = {}  # host array and its copy, by the id of the former
        self._read: Any = None  # when the device has read the batches before the one that was begun last

    def begin(self, batch: Mapping[str, Any]) -> None:
        """Copy the host arrays of a batch; what the current stream does from now on waits for them."""
        computing = self.xp.cuda.get_current_stream()
        if self._read is not None:  # memory of earlier batches may be given out again
            self.stream.wait_event(self._read)
        with self.stream:
            copies = {id(array): (array, self.xp.asarray(array)) for array in batch.values() if _moves(array)}
        self._read = computing.record()
        computing.wait_event(self.stream.record())
        self._begun = copies

    def __call__(self, array: Any) -> Array:
        """The copy that was begun, or one that is made at once."""
        host, copy = self._begun.get(id(array), (None, None))
        return copy if host is array else super().__call__(array)


def _moves(array: Any) -> bool:
    return isinstance(array, np.ndarray) and array.dtype.kind in "biuf"
