"""CuPy: the textbook bodies run on the GPU through its array namespace, and CUDA kernels in place of many."""

from typing import Any

from minicap.arrays.backends import FASTER_PAIRS, Backend
from minicap.errors import BackendMissing


def load_backend() -> Backend:
    """The CuPy backend.

    Raises BackendMissing, saying what to do: without CuPy, when CuPy finds no CUDA libraries, without a
    driver, when the driver is too old for CuPy, and without a CUDA device.
    """
    try:
        import cupy
    except ImportError as error:
        if isinstance(error, ModuleNotFoundError) and error.name in (None, "cupy"):
            raise BackendMissing(
                'the cupy backend needs CuPy: pip install "minicap[gpu-cuda12]" '
                "(or gpu-cuda13, by your driver)"
            ) from None
        reason = " ".join(str(error.__cause__ or error).split())  # CuPy's own message is a page
        raise BackendMissing(
            f"CuPy is installed but does not load ({reason}); install one that fits your driver: "
            'pip install "minicap[gpu-cuda12]" (or gpu-cuda13)'
        ) from None
    # CuPy imports without a driver; only this question tells whether anything can run.
    if not cupy.cuda.is_available():
        raise BackendMissing(_why_nothing_runs(cupy.cuda.runtime))
    return Backend("cupy", cupy, cupy.ndarray, cupy.asarray, cupy.asnumpy, FASTER_PAIRS["cupy"])


def _why_nothing_runs(runtime: Any) -> str:
    """What stands between CuPy and a device: no driver, one that is too old, or no device."""
    driver, built_for = runtime.driverGetVersion() // 1000, runtime.runtimeGetVersion() // 1000
    if driver == 0:
        return "CuPy is installed but finds no NVIDIA driver; install one, and look at nvidia-smi"
    if driver < built_for:
        older = ', or install the CuPy of an older CUDA: pip install "minicap[gpu-cuda12]"'
        return (
            f"CuPy for CUDA {built_for} needs a newer NVIDIA driver, this one knows CUDA {driver}; update "
            f"the driver{older if driver >= 12 else ''}"
        )
    try:
        runtime.getDeviceCount()
        reason = "none is there"
    except Exception as error:
        reason = str(error)
    return f"CuPy is installed but finds no CUDA device ({reason}); look at nvidia-smi, CUDA_VISIBLE_DEVICES"
