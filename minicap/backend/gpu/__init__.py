"""CuPy: the textbook bodies run on the GPU through its array namespace, and CUDA kernels in place of many."""

from typing import Any

from minicap.backend.arrays import Backend
from minicap.errors import BackendMissing


def load_backend() -> Backend:
    """The CuPy backend.

    Raises BackendMissing, saying what to do: without CuPy, when CuPy finds no CUDA libraries, when the driver
    is too old for it, and without a CUDA device.
    """
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name not in (None, "cupy"):
            raise
        raise BackendMissing(
            'the cupy backend needs CuPy: pip install "minicap[gpu-cuda12]" (or gpu-cuda13, by your driver)'
        ) from None
    except ImportError as error:
        raise BackendMissing(
            f"CuPy is installed but does not load ({error}); install one that fits your driver: "
            'pip install "minicap[gpu-cuda12]" (or gpu-cuda13)'
        ) from None
    # CuPy imports without a driver; only this question tells whether anything can run.
    try:
        available = cupy.cuda.is_available()
    except Exception as error:
        raise BackendMissing(
            f"CuPy{_built_for(cupy)} does not get on with the NVIDIA driver ({error}); update the driver, or "
            'install the CuPy of an older CUDA: pip install "minicap[gpu-cuda12]"'
        ) from None
    if not available:
        raise BackendMissing("CuPy is installed but finds no CUDA device; check the driver with nvidia-smi")
    overrides = "minicap.backend.gpu.overrides"
    return Backend("cupy", cupy, cupy.ndarray, cupy.asarray, cupy.asnumpy, overrides)


def _built_for(cupy: Any) -> str:
    """ " for CUDA 13", where CuPy can say so."""
    try:
        return f" for CUDA {cupy.cuda.runtime.runtimeGetVersion() // 1000}"
    except Exception:
        return ""
