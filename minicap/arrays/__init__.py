"""Where arrays live (NumPy or CuPy), and how each backend's faster pairs replace the textbook ones."""

from minicap.arrays.backends import (
    Array,
    Backend,
    available_backends,
    backend_of,
    current_backend,
    get_backend,
    is_late,
    register_backend,
    to_device,
    to_host,
    use_backend,
)
from minicap.arrays.dispatch import Override, accelerated, textbook
from minicap.errors import BackendMismatch, BackendMissing

__all__ = [
    "Array",
    "Backend",
    "BackendMismatch",
    "BackendMissing",
    "Override",
    "accelerated",
    "available_backends",
    "backend_of",
    "current_backend",
    "get_backend",
    "is_late",
    "register_backend",
    "textbook",
    "to_device",
    "to_host",
    "use_backend",
]
