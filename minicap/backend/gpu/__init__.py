"""CuPy: the textbook bodies run on the GPU through its array namespace, and CUDA kernels in place of many."""

import os
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from minicap.arrays.backends import FASTER_PAIRS, Backend
from minicap.backend.gpu.uploads import StreamUploads
from minicap.errors import BackendMissing

INSTALL = 'pip install "minicap[gpu-cuda12]" (or gpu-cuda13, by your driver)'
ANOTHER_FOLDER = "set CUPY_CACHE_DIR to a writable folder, or CUPY_CACHE_IN_MEMORY=1"


def load_backend() -> Backend:
    """The CuPy backend.

    Raises BackendMissing, saying what to do: without CuPy, when CuPy finds no CUDA libraries, without a
    driver, when the driver is too old for CuPy, without a CUDA device, and where CuPy's folder for compiled
    kernels cannot be written.
    """
    try:
        import cupy
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name in (None, "cupy"):
            raise BackendMissing(f"the cupy backend needs CuPy: {INSTALL}") from None
        reason = " ".join(str(error.__cause__ or error).split())  # CuPy's own message is a page
        raise BackendMissing(
            f"CuPy is installed but does not load ({reason}); install one that fits your driver: {INSTALL}"
        ) from None
    except OSError as error:  # CuPy 14 makes its folder when it is imported
        raise BackendMissing(no_room_for_kernels(error)) from None
    # CuPy can be imported without a driver; only this call tells whether anything can run.
    if not _is_available(cupy):
        raise BackendMissing(_why_nothing_runs(cupy.cuda.runtime))
    check_libraries()
    check_cache_folder()
    uploads = partial(StreamUploads, cupy)
    return Backend("cupy", cupy, cupy.ndarray, cupy.asarray, cupy.asnumpy, FASTER_PAIRS["cupy"], uploads)


def _is_available(cupy: Any) -> bool:
    try:
        return bool(cupy.cuda.is_available())
    except Exception:  # as CuPy 13 answers without a driver
        return False


def check_libraries() -> None:
    """Raise BackendMissing unless CuPy finds cuBLAS and NVRTC; it would look for them at first use."""
    try:
        import_module("cupy.cublas")
        import_module("cupy").cuda.nvrtc.getVersion()
    except (ImportError, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise BackendMissing(
            f"CuPy finds no CUDA libraries ({reason}); install them along with it: {INSTALL}"
        ) from None


def check_cache_folder() -> None:
    """Raise BackendMissing unless CuPy can keep compiled kernels."""
    if os.environ.get("CUPY_CACHE_IN_MEMORY", "0") == "1":
        return
    folder = Path(os.environ.get("CUPY_CACHE_DIR") or Path.home() / ".cupy" / "kernel_cache")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(f"permission denied: {folder}")
    except OSError as error:
        raise BackendMissing(no_room_for_kernels(error)) from None


def no_room_for_kernels(error: OSError) -> str:
    """The message when the folder for compiled kernels cannot be written, or its disk is full."""
    return f"CuPy cannot keep compiled kernels ({error}); make room there, {ANOTHER_FOLDER}"


def _why_nothing_runs(runtime: Any) -> str:
    """Why CuPy has no device: there is no driver, it is too old, or there is no GPU."""
    driver, built_for = runtime.driverGetVersion() // 1000, runtime.runtimeGetVersion() // 1000
    if driver == 0:
        return "CuPy is installed but finds no NVIDIA driver; install one, and check with nvidia-smi"
    if driver < built_for:
        older = ', or install the CuPy of an older CUDA: pip install "minicap[gpu-cuda12]"'
        return (
            f"CuPy for CUDA {built_for} needs a newer NVIDIA driver, this one supports CUDA {driver}; update "
            f"the driver{older if driver >= 12 else ''}"
        )
    try:
        runtime.getDeviceCount()
        reason = "none was found"
    except Exception as error:
        reason = str(error)
    return f"CuPy is installed but finds no CUDA device ({reason}); check nvidia-smi and CUDA_VISIBLE_DEVICES"
