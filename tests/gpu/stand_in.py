"""A backend called "cupy" on a machine without a GPU."""

from functools import partial
from math import prod
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import DEVICE, RawModule, compiler, cuda
from strict_cupy import StrictArray
from strict_cupy.backend import to_device, to_host
from strict_cupy.namespace import Namespace

from minicap.arrays import Backend
from minicap.backend.gpu.uploads import StreamUploads

MEMORY = DEVICE.memory


class OutOfMemoryError(MemoryError):
    """CuPy's error of that name."""


def stand_in() -> Backend:
    """Its arrays are those of the strict stand-in for CuPy, its kernels run on the CPU."""
    if compiler() is None:
        pytest.skip("needs g++ to run the kernels on the CPU")
    xp: Any = Namespace()
    xp.RawModule = RawModule
    xp.cuda = cuda
    unlimited = xp.empty

    def empty(shape: Any, dtype: Any = float) -> Any:
        asked = prod(np.atleast_1d(shape).tolist()) * np.dtype(dtype).itemsize
        if asked > MEMORY // 2:
            used = f"allocated so far: {MEMORY // 2:,} bytes"
            raise OutOfMemoryError(f"Out of memory allocating {asked:,} bytes ({used}).")
        return unlimited(shape, dtype=dtype)

    xp.empty = empty
    overrides, uploads = "minicap.backend.gpu.overrides", partial(StreamUploads, xp)
    return Backend("cupy", xp, StrictArray, to_device, to_host, overrides, uploads)
