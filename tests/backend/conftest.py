"""The GPU backend on a machine without a GPU: strict CuPy arrays, kernels executed on the CPU."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from cuda_on_cpu import RawModule, compiler, cuda
from strict_cupy import StrictArray
from strict_cupy.backend import to_device, to_host
from strict_cupy.namespace import Namespace

from minicap.arrays import Backend, register_backend, use_backend
from minicap.backend.gpu.uploads import StreamUploads


@pytest.fixture
def gpu(own_backends: None) -> Iterator[Backend]:
    """The stand-in with the CuPy backend's overrides; new arrays are made on it."""
    if compiler() is None:
        pytest.skip("needs g++ to run the kernels on the CPU")
    xp: Any = Namespace()
    xp.RawModule, xp.cuda = RawModule, cuda
    overrides, uploads = "minicap.backend.gpu.overrides", partial(StreamUploads, xp)
    backend = Backend("strict-cupy", xp, StrictArray, to_device, to_host, overrides, uploads)
    register_backend(backend)
    with use_backend("strict-cupy"):
        yield backend
