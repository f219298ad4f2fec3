"""The arrays decide: which backend owns them, and how they move between backends."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from minicap.errors import BackendMismatch, InputError

# CuPy arrays have the same interface; the NumPy type is the one that editors and mypy can check.
Array: TypeAlias = npt.NDArray[Any]


class Uploads:
    """How the batches of a training get to where new arrays are made: each when it is asked for.

    A backend may have its own way, which begins before that.
    """

    def begin(self, batch: Mapping[str, Any]) -> None:
        """The arrays of this batch will be asked for next."""

    def __call__(self, array: Any) -> Array:
        """The array on the current backend."""
        return to_device(array)


@dataclass(frozen=True)
class Backend:
    """A place where arrays live.

    name: "numpy" or "cupy".  xp: its array namespace.  array_type: the type of its arrays.
    from_host, to_host: conversions from and to NumPy.  overrides: the module that lists its faster pairs, or
    None.  uploads: makes what moves a training's batches there.
    """

    name: str
    xp: Any
    array_type: type
    from_host: Callable[[npt.NDArray[Any]], Any]
    to_host: Callable[[Any], npt.NDArray[Any]]
    overrides: str | None = None
    uploads: Callable[[], Uploads] = Uploads


# The modules that list each backend's faster pairs.
FASTER_PAIRS = {"numpy": "minicap.backend.cpu", "cupy": "minicap.backend.gpu.overrides"}

NUMPY = Backend("numpy", np, np.ndarray, np.asarray, np.asarray, FASTER_PAIRS["numpy"])

_by_type: dict[type, Backend] = {np.ndarray: NUMPY}
_by_name: dict[str, Backend] = {"numpy": NUMPY}
_loaders: dict[str, str] = {"cupy": "minicap.backend.gpu"}
_chosen: ContextVar[Backend | None] = ContextVar("minicap_backend", default=None)


def register_backend(backend: Backend) -> None:
    """Register a backend under its name and its array type."""
    _by_type[backend.array_type] = backend
    _by_name[backend.name] = backend


def available_backends() -> list[str]:
    """Names that `use_backend` accepts (CuPy is listed whether or not a device is present)."""
    return sorted(_by_name | _loaders)


def get_backend(name: str) -> Backend:
    """The backend of that name, loaded on first use.

    Raises BackendMissing when its library or device is absent, InputError for an unknown name.
    """
    if name not in _by_name:
        if name not in _loaders:
            raise InputError(f"unknown backend {name!r}; choose one of {', '.join(available_backends())}")
        register_backend(import_module(_loaders[name]).load_backend())
    return _by_name[name]


def backend_of(**arrays: Any) -> Backend:
    """The one backend that owns all the arrays given by name.

    None values are skipped.  Raises BackendMismatch when backends are mixed or a value is not an array.
    """
    owner = owner_name = None
    for name, array in arrays.items():
        if array is None:
            continue
        found = find_backend(array)
        if found is None:
            raise BackendMismatch(
                f"{name} is a {type(array).__name__}, not an array; make one with numpy.asarray({name}) "
                f"or to_device({name})"
            )
        if owner is None:
            owner, owner_name = found, name
        elif found is not owner:
            raise BackendMismatch(
                f"{owner_name} is a {_title(owner)} array, {name} is a {_title(found)} array; "
                "move one with to_device() or to_host()"
            )
    return owner or current_backend()


def find_backend(array: Any) -> Backend | None:
    """The backend that owns the array, or None when it belongs to no backend."""
    found = _by_type.get(type(array))
    if found is None:
        for base in type(array).__mro__:
            if base in _by_type:
                return _by_type[base]
        if type(array).__module__.partition(".")[0] == "cupy":
            return get_backend("cupy")
    return found


def _title(backend: Backend) -> str:
    return {"numpy": "NumPy", "cupy": "CuPy"}.get(backend.name, backend.name)


def current_backend() -> Backend:
    """Where new arrays are made: the innermost `use_backend`, else MINICAP_BACKEND, else NumPy."""
    return _chosen.get() or get_backend(os.environ.get("MINICAP_BACKEND") or "numpy")


@contextmanager
def use_backend(name: str) -> Iterator[Backend]:
    """Make new arrays (parameters, batches, states) on this backend inside the `with` block.

    Existing arrays stay where they are.  Raises BackendMissing and InputError as get_backend does.
    """
    token = _chosen.set(get_backend(name))
    try:
        yield get_backend(name)
    finally:
        _chosen.reset(token)


def is_late(value: Any) -> bool:
    """Whether a value is a device's array, which it may still be computing."""
    return find_backend(value) not in (None, NUMPY)


def to_device(array: Any, backend: str | Backend | None = None) -> Array:
    """The array on a backend (default: the current one); the same object when it is there already."""
    target = get_backend(backend) if isinstance(backend, str) else backend or current_backend()
    return array if find_backend(array) is target else target.from_host(to_host(array))


def to_host(array: Any) -> npt.NDArray[Any]:
    """The array as NumPy; the same object when it is NumPy already.  Accepts anything numpy.asarray does."""
    return (find_backend(array) or NUMPY).to_host(array)
