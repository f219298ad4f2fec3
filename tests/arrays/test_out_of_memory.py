from types import SimpleNamespace

import numpy as np
import pytest

from minicap.arrays import Backend, register_backend, use_backend
from minicap.arrays.out_of_memory import GIB, explain_out_of_memory, fitting_batch
from minicap.errors import DeviceMemoryError


class OutOfMemoryError(MemoryError):
    """Stands for CuPy's error of that name."""


@pytest.fixture
def full_device(own_backends):
    runtime = SimpleNamespace(memGetInfo=lambda: (GIB // 2, 8 * GIB))
    xp = SimpleNamespace(cuda=SimpleNamespace(runtime=runtime))
    register_backend(Backend("full", xp, type("Array", (), {}), np.asarray, np.asarray))
    with use_backend("full"):
        yield


def test_the_message_says_what_was_asked_what_is_free_and_which_batch_fits(full_device):
    error = OutOfMemoryError(
        f"Out of memory allocating {2 * GIB:,} bytes (allocated so far: {7 * GIB:,} bytes)."
    )
    with (
        pytest.raises(
            DeviceMemoryError,
            match=r"2.00 GiB asked for, 0.50 of 8.00 GiB free, 7.00 GiB in use by a batch of 256; "
            "try a batch size of 128",
        ),
        explain_out_of_memory(256),
    ):
        raise error


def test_a_single_sample_that_does_not_fit_asks_for_a_smaller_model(full_device):
    error = OutOfMemoryError(f"Out of memory allocating {GIB} bytes (allocated so far: {7 * GIB} bytes).")
    with pytest.raises(DeviceMemoryError, match="use a smaller model"), explain_out_of_memory(1):
        raise error


@pytest.mark.parametrize(
    "message",
    [
        "CUBLAS_STATUS_ALLOC_FAILED",
        "cudaErrorMemoryAllocation: out of memory",
        "CUDA_ERROR_OUT_OF_MEMORY: out of memory",
    ],
)
def test_what_cublas_and_the_driver_say_of_a_full_device_is_known(message, full_device):
    expected = rf"out of memory: 0.50 of 8.00 GiB free with a batch of 256 \({message}\); try a smaller batch"
    with pytest.raises(DeviceMemoryError, match=expected), explain_out_of_memory(256):
        raise RuntimeError(message)


def test_other_errors_pass(full_device):
    with pytest.raises(ZeroDivisionError), explain_out_of_memory(4):
        raise ZeroDivisionError


def test_a_batch_that_fits_is_a_power_of_two_below_the_one_that_did_not():
    assert fitting_batch(256, used=700, asked=200, free=50) == 128
    assert fitting_batch(100, used=100, asked=900, free=0) == 8
    assert fitting_batch(100, used=0, asked=900, free=1) == 1
