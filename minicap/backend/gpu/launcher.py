"""Launching CUDA kernels with every argument checked: CuPy itself would read whatever it is given."""

from collections.abc import Callable
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays.backends import Array, backend_of, find_backend
from minicap.arrays.out_of_memory import is_out_of_memory
from minicap.backend.gpu import INSTALL, no_room_for_kernels
from minicap.backend.gpu.sources import Parameter, Signature, compile_options, kernels_in, source_of
from minicap.errors import BackendMismatch, BackendMissing, DtypeError, InputError, ShapeError

MOST_ENTRIES = 2**31 - 1  # kernels count entries in 32 bits
THREADS_PER_BLOCK = 256

_DTYPES: dict[str, np.dtype[Any]] = {
    "bool": np.dtype(bool),
    "int": np.dtype(np.int32),
    "long long": np.dtype(np.int64),
    "word64": np.dtype(np.uint64),
}
_LIMITS = {name: (int(np.iinfo(d).min), int(np.iinfo(d).max)) for name, d in _DTYPES.items() if d.kind != "b"}
_REALS = (np.dtype(np.float32), np.dtype(np.float64))
_LABELS = (np.dtype(np.int64), np.dtype(np.int32))
_NULL = np.uintp(0)  # CuPy would pass None as no argument at all


@cache
def _function(
    raw_module: Callable[..., Any], file: str, name: str, real: np.dtype[Any], label: np.dtype[Any]
) -> Any:
    try:
        return _module(raw_module, file, real.name, label.name).get_function(name)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise BackendMissing(_why_not_compiled(name, error)) from error


def _why_not_compiled(name: str, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"kernel {name}: {no_room_for_kernels(error)}"
    if type(error).__name__ == "CompileException":  # CuPy's, a plain Exception
        lines = str(error).splitlines()
        reason = next((line.strip() for line in lines if "error" in line), "no reason given")
        return (
            f"kernel {name} does not compile for this GPU: {reason}; please tell us. "
            "Inside `with textbook():` layers run without kernels"
        )
    # NVRTC is missing, or is another CUDA's than CuPy's.
    return f"kernel {name} does not compile: {error}; install the CuPy that fits your driver: {INSTALL}"


@cache
def _module(raw_module: Callable[..., Any], file: str, real: str, label: str) -> Any:
    return raw_module(code=source_of(file), options=compile_options(real, label))


@cache
def _room_for(xp: Any, file: str, name: str, real: np.dtype[Any], device: int, shared_bytes: int) -> int:
    runtime, driver = xp.cuda.runtime, xp.cuda.driver
    if not runtime.deviceGetAttribute(runtime.cudaDevAttrCooperativeLaunch, device):
        return 0
    function = _function(xp.RawModule, file, name, real, _LABELS[0])
    try:
        if shared_bytes > function.max_dynamic_shared_size_bytes:
            function.max_dynamic_shared_size_bytes = shared_bytes
    except RuntimeError:  # CuPy's CUDADriverError: more than a block may have on this device
        return 0
    each = driver.occupancyMaxActiveBlocksPerMultiprocessor(
        function.kernel.ptr, THREADS_PER_BLOCK, shared_bytes
    )
    return each * runtime.deviceGetAttribute(runtime.cudaDevAttrMultiProcessorCount, device)


@lru_cache(maxsize=1 << 12)  # the sizes of a network recur at every step
def _integer(type_name: str, value: int) -> Any:
    """The integer in the kernel's width, None when that cannot hold it."""
    least, most = _LIMITS[type_name]
    return _DTYPES[type_name].type(value) if least <= value <= most else None


class _Call(NamedTuple):
    function: Callable[[], Any]  # the kernel, compiled when it is first needed
    arguments: tuple[Any, ...]
    like: Any  # an array on the device


class Kernel:
    """A kernel of a file in backend/gpu/kernels, compiled when it is first launched.

    Parameters are passed as keywords.  Nothing is launched when there is nothing to do.

    Raises DtypeError, ShapeError, BackendMismatch and InputError naming the kernel and the argument: another
    dtype, a size that does not follow from the integers, memory that is not C-contiguous, an array on another
    backend or device, an integer that the parameter cannot hold.
    """

    def __init__(self, file: str, name: str) -> None:
        self.file, self.name = file, name
        self._signature: Signature | None = None  # read when first launched

    def threads(self, count: int, /, **values: Any) -> None:
        """Launch at least this many threads, one per entry, in blocks of 256."""
        self.blocks(-(-count // THREADS_PER_BLOCK), **values)

    def blocks(self, count: int, like: Any = None, /, **values: Any) -> None:
        """Launch this many blocks of 256 threads, one per row or tile.

        like: an array that determines the backend and `real`, if no parameter is an array.
        """
        call = self._prepare(like, values)
        if count:
            with call.like.device:
                call.function()((count,), (THREADS_PER_BLOCK,), call.arguments)

    def blocks_together(self, count: int, shared_bytes: int, /, **values: Any) -> None:
        """Launch this many blocks of 256 threads at the same time, so that they can wait for each other.

        shared_bytes: dynamic shared memory of each.  count: at most room_for(array, shared_bytes).
        Raises InputError for more: CuPy would launch fewer, and those would wait for the others forever.
        """
        call = self._prepare(None, values)
        room = self.room_for(call.like, shared_bytes)
        if count > room:
            raise InputError(
                f"kernel {self.name}: {count} blocks that wait for each other, but {call.like.device} runs "
                f"{room} at the same time"
            )
        with call.like.device:
            call.function().kernel(
                (count,),
                (THREADS_PER_BLOCK,),
                call.arguments,
                shared_mem=shared_bytes,
                enable_cooperative_groups=True,
            )

    def room_for(self, like: Any, shared_bytes: int) -> int:
        """How many of its blocks run at the same time; 0 if they cannot wait for each other.

        like: an array that determines the backend, the device and `real`.
        """
        owner = find_backend(like)
        assert owner is not None
        with like.device:
            return _room_for(owner.xp, self.file, self.name, like.dtype, like.device.id, shared_bytes)

    def _prepare(self, like: Any, values: dict[str, Any]) -> _Call:
        """The kernel and its arguments in their order, all checked."""
        signature = self._signature or self._load()
        if values.keys() != signature.names:
            wrong = ", ".join(sorted(values.keys() ^ signature.names))
            raise InputError(f"kernel {self.name}: missing or unknown argument {wrong}")
        real, label = self._dtypes(signature, values, like)
        arguments, integers = dict(values), {}
        for p in signature.scalars:
            value = values[p.name]
            arguments[p.name] = self._number(p, value, real)
            if p.type == "int":
                integers[p.name] = value
        first = like
        for p, size in zip(signature.arrays, signature.sizes(**integers), strict=True):
            array = values[p.name]
            if array is None and p.optional:
                arguments[p.name] = _NULL
                continue
            first = array if first is None else first
            dtype = real if p.type == "real" else label if p.type == "label" else _DTYPES[p.type]
            # The message is worked out only when something is wrong.
            if not (
                array is not None
                and type(array) is type(first)
                and array.dtype is dtype
                and array.size == size <= MOST_ENTRIES
                and array.flags.c_contiguous
                and array.device == first.device
            ):
                self._refuse(p, dtype, size, integers, {a.name: values[a.name] for a in signature.arrays})
        owner = find_backend(first)
        assert owner is not None
        function = partial(_function, owner.xp.RawModule, self.file, self.name, real, label)
        return _Call(function, tuple([arguments[p.name] for p in signature.parameters]), first)

    def _load(self) -> Signature:
        self._signature = kernels_in(self.file)[self.name]
        return self._signature

    def _dtypes(
        self, signature: Signature, values: dict[str, Any], like: Array | None
    ) -> tuple[np.dtype[Any], np.dtype[Any]]:
        """What `real` and `label` stand for in this call: the dtype of the first such array."""
        real, label = None if like is None else like.dtype, None
        for p in signature.arrays:
            if real is None and p.type == "real":
                real = getattr(values[p.name], "dtype", None)
            elif label is None and p.type == "label":
                label = getattr(values[p.name], "dtype", None)
        for dtype, allowed in ((real, _REALS), (label, _LABELS)):
            if dtype is not None and dtype not in allowed:
                known = " and ".join(map(str, allowed))
                raise DtypeError(f"kernel {self.name}: {dtype} arrays; it reads {known}")
        return real or _REALS[0], label or _LABELS[0]

    def _number(self, p: Parameter, value: Any, real: np.dtype[Any]) -> Any:
        """A scalar of exactly the width that the kernel reads, as CuPy passes it on; or a struct."""
        if p.type == "real":
            return real.type(value)
        if p.type not in _LIMITS:
            return value  # a struct, by value
        if type(value) is not int:
            raise DtypeError(f"kernel {self.name}: {p.name} is a {type(value).__name__} but must be an int")
        number = _integer(p.type, value)
        if number is None:
            raise InputError(f"kernel {self.name}: {p.name} is {value}, which {p.type} cannot hold")
        return number

    def _refuse(
        self, p: Parameter, dtype: np.dtype[Any], size: int, integers: dict[str, int], given: dict[str, Any]
    ) -> None:
        """Raise for an array that cannot be read, saying why."""
        array, kernel = given[p.name], f"kernel {self.name}"
        if array is None:
            raise InputError(f"{kernel}: {p.name} is None but must be an array [{p.shape}]")
        backend_of(**given)
        if array.dtype != dtype:
            raise DtypeError(f"{kernel}: {p.name} is {array.dtype} but must be {dtype}")
        if array.size != size:
            where = ", ".join(f"{name} {value}" for name, value in integers.items())
            shape = f"{array.shape} but must hold [{p.shape}]"
            raise ShapeError(f"{kernel}: {p.name} is {shape} = {size} entries ({where})")
        if size > MOST_ENTRIES:
            raise ShapeError(f"{kernel}: {p.name} has {size} entries, more than 2^31 - 1")
        if not array.flags.c_contiguous:
            raise InputError(f"{kernel}: {p.name} is not C-contiguous; copy it first")
        for name, other in given.items():
            if other is not None and other.device != array.device:
                raise BackendMismatch(
                    f"{kernel}: {name} is on {other.device} but {p.name} on {array.device}; new arrays are "
                    f"made on CuPy's current device: work inside `with cupy.cuda.Device({array.device.id}):`"
                )


def readable(*arrays: Array | None) -> bool:
    """Whether kernels can work on these arrays: one backend, all float32 or all float64, none too large."""
    given = [array for array in arrays if array is not None]
    dtype = getattr(given[0], "dtype", None)
    owner = find_backend(given[0])
    return all(
        find_backend(array) is owner and array.dtype == dtype and 0 < array.size <= MOST_ENTRIES
        for array in given
    ) and dtype in (np.float32, np.float64)
