"""The message when a device runs out of memory."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from minicap.arrays.backends import current_backend, get_backend
from minicap.errors import DeviceMemoryError

GIB = 1 << 30
# What cuBLAS, the runtime and the driver call it; their errors are plain RuntimeErrors.
_OTHER_NAMES = ("CUBLAS_STATUS_ALLOC_FAILED", "cudaErrorMemoryAllocation", "CUDA_ERROR_OUT_OF_MEMORY")


@contextmanager
def explain_out_of_memory(batch_size: int) -> Iterator[None]:
    """When the device runs out of memory inside, say what was requested, what is free and what would fit.

    batch_size: of the batch that the block works on.
    Raises DeviceMemoryError in place of CuPy's own error.
    """
    try:
        yield
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise DeviceMemoryError(_explanation(str(error), batch_size)) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether CuPy's pool, cuBLAS or the driver found too little memory on the device."""
    return type(error).__name__ == "OutOfMemoryError" or any(name in str(error) for name in _OTHER_NAMES)


def _explanation(message: str, batch_size: int) -> str:
    # "Out of memory allocating 1,024 bytes (allocated so far: 512 bytes)."
    numbers = [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) bytes", message)]
    asked, used = (*numbers, 0, 0)[:2]
    here = current_backend()
    # A model stays on its device outside use_backend as well.
    device = here if hasattr(here.xp, "cuda") else get_backend("cupy")
    free, total = device.xp.cuda.runtime.memGetInfo()
    fits = fitting_batch(batch_size, used, asked, free)
    advice = f"try a batch size of {fits}" if fits < batch_size else "use a smaller model"
    if not asked:  # only CuPy's pool says how much it wanted
        return (
            f"the GPU is out of memory: {free / GIB:.2f} of {total / GIB:.2f} GiB free with a batch of "
            f"{batch_size} ({' '.join(message.split())}); try a smaller batch or model"
        )
    return (
        f"the GPU is out of memory: {asked / GIB:.2f} GiB asked for, {free / GIB:.2f} of "
        f"{total / GIB:.2f} GiB free, {used / GIB:.2f} GiB in use by a batch of {batch_size}; {advice}"
    )


def fitting_batch(batch_size: int, used: int, asked: int, free: int) -> int:
    """A power of two that should fit as batch size, where batch_size needs at least used + asked bytes."""
    most = batch_size * (used + free) // max(1, used + asked)
    fits = 1
    while 2 * fits <= min(most, batch_size - 1):
        fits *= 2
    return min(fits, batch_size)
