"""The stand-in as a backend of minicap."""

from functools import partial
from typing import Any

import numpy as np

from minicap.arrays import Backend
from minicap.backend.gpu.uploads import StreamUploads
from strict_cupy.array import StrictArray
from strict_cupy.counts import count
from strict_cupy.namespace import xp


def strict_cupy_backend() -> Backend:
    """A backend called "strict-cupy" whose arrays are StrictArrays.  It has no overrides."""
    return Backend("strict-cupy", xp, StrictArray, to_device, to_host, uploads=partial(StreamUploads, xp))


def to_device(array: Any) -> StrictArray:
    """A copy of a host array on the device."""
    count("to_device")
    return StrictArray(np.array(array))


def to_host(array: Any) -> np.ndarray:
    """A copy of a device array on the host."""
    return array.get() if isinstance(array, StrictArray) else np.asarray(array)
