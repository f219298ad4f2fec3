"""CuPy: the textbook bodies run on the GPU through its array namespace."""

from minicap.backend.arrays import Backend
from minicap.errors import BackendMissing


def load_backend() -> Backend:
    """The CuPy backend.  Raises BackendMissing, saying what to install, without CuPy or a CUDA device."""
    try:
        import cupy
    except ImportError:
        raise BackendMissing(
            'the cupy backend needs CuPy: pip install "minicap[gpu-cuda12]" (or gpu-cuda13, by your driver)'
        ) from None
    # CuPy imports without a driver; only this question tells whether anything can run.
    if not cupy.cuda.is_available():
        raise BackendMissing("CuPy is installed but finds no CUDA device; check the driver with nvidia-smi")
    return Backend("cupy", cupy, cupy.ndarray, cupy.asarray, cupy.asnumpy)
