"""The array of the stand-in."""

from collections.abc import Callable
from inspect import Signature
from typing import Any, NamedTuple, NoReturn, TypeAlias

import numpy as np

from strict_cupy import recorded
from strict_cupy.counts import count
from strict_cupy.devices import Device, current_device
from strict_cupy.errors import StrictError
from strict_cupy.indexing import check_distinct, host_index
from strict_cupy.streams import host_waited, used

Method: TypeAlias = Callable[..., Any]


class Flags(NamedTuple):
    """The memory order of an array."""

    c_contiguous: bool
    f_contiguous: bool


class Memory(NamedTuple):
    """Where an array begins."""

    ptr: int


def _xp() -> Any:
    from strict_cupy.namespace import xp  # it imports this module

    return xp


class StrictArray:
    """An array that behaves like cupy.ndarray where minicap uses one, and refuses the rest."""

    __slots__ = ("_host", "device")
    __hash__ = None  # type: ignore[assignment]  # == compares entry by entry

    def __init__(self, host: np.ndarray, device: Device | None = None) -> None:
        self._host = host
        self.device = device or current_device()

    # What would copy to the host, or mix with host arrays, behind the reader's back.

    def __array__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise StrictError("a device array becomes no NumPy array by itself; use to_host()")

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and any(isinstance(x, np.generic) for x in inputs):
            # A NumPy scalar stands on the left of an operator, and Python asked it first.
            return getattr(_xp(), ufunc.__name__)(*inputs, **kwargs)
        if any(isinstance(x, np.ndarray) for x in inputs):
            raise StrictError(f"{ufunc.__name__} of a NumPy array and a device array")
        raise StrictError(f"numpy.{ufunc.__name__} of a device array; use xp.{ufunc.__name__}")

    def __array_function__(self, function: Callable[..., Any], *_: Any) -> NoReturn:
        raise StrictError(f"numpy.{function.__name__} of a device array; use xp.{function.__name__}")

    def __iter__(self) -> NoReturn:
        raise StrictError("a loop over a device array; index it, or use an operation on all of it")

    def __getattr__(self, name: str) -> NoReturn:
        if name in recorded.ARRAY_ATTRIBUTES:
            raise StrictError(f"cupy.ndarray has {name}, but the stand-in does not; say there what it costs")
        raise AttributeError(f"cupy.ndarray of CuPy {recorded.VERSION} has no attribute {name!r}")

    # What waits for the device.

    def item(self) -> Any:
        count("syncs")
        used(self._host)
        host_waited()
        return self._host.item()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __index__(self) -> int:
        count("syncs")
        return self._host.__index__()

    def get(self) -> np.ndarray:
        count("to_host")
        used(self._host)
        host_waited()
        return self._host.copy()

    def tolist(self) -> Any:
        return self.get().tolist()

    # What is known without asking the device.

    shape = property(lambda self: self._host.shape)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    nbytes = property(lambda self: self._host.nbytes)
    itemsize = property(lambda self: self._host.itemsize)
    strides = property(lambda self: self._host.strides)
    data = property(lambda self: Memory(self._host.ctypes.data))
    flags = property(lambda self: Flags(self._host.flags.c_contiguous, self._host.flags.f_contiguous))

    def __len__(self) -> int:
        return len(self._host)

    def __repr__(self) -> str:
        return f"StrictArray(shape={self.shape}, dtype={self.dtype})"

    # Views.

    T = property(lambda self: StrictArray(self._host.T, self.device))
    real = property(lambda self: StrictArray(self._host.real, self.device))
    imag = property(lambda self: launch(np.imag, self))  # CuPy makes new zeros for a real array

    def view(self, dtype: Any = None) -> Any:
        return StrictArray(self._host.view(dtype or self.dtype), self.device)

    # Indexing.

    def __getitem__(self, key: Any) -> Any:
        index = host_index(self.shape, key if isinstance(key, tuple) else (key,), StrictArray)
        if index.masked:
            count("syncs")  # the size of the result depends on the data
        if index.masked or index.arrays:
            count("launches")
            used(self._host)
        # The ellipsis keeps a single entry an array, as on a device.
        ellipsis = () if any(part is Ellipsis for part in index.key) else (Ellipsis,)
        return StrictArray(np.asarray(self._host[(*index.key, *ellipsis)]), self.device)

    def __setitem__(self, key: Any, value: Any) -> None:
        index = host_index(self.shape, key if isinstance(key, tuple) else (key,), StrictArray)
        host = unwrap(value)
        if isinstance(host, (list, tuple)):
            raise StrictError("a list assigned into a device array; move it to the device once")
        if index.arrays:
            check_distinct(self.shape, index)
        if index.masked:
            count("syncs")
        if (index.arrays or index.masked) and not isinstance(value, StrictArray):
            count("to_device")  # CuPy makes an array of the number to be scattered
        _check_cast(host, self.dtype)
        count("launches")
        self._host[index.key] = host

    def astype(self, dtype: Any, order: str = "K", copy: bool = True) -> Any:
        _check_cast(self._host, np.dtype(dtype))
        if not copy and self.dtype == dtype:
            return self
        return launch(np.ndarray.astype, self, dtype, order=order)

    def fill(self, value: Any) -> None:
        launch(np.ndarray.fill, self, value)


def unwrap(value: Any) -> Any:
    """The host arrays inside a value.

    Raises StrictError for an array that was on the host all along, or is not on the current device.
    """
    if isinstance(value, StrictArray):
        if value.device != current_device():
            raise StrictError(f"an array on {value.device}, but the current device is {current_device()}")
        used(value._host)
        return value._host
    if isinstance(value, np.ndarray):
        raise StrictError("a NumPy array in an operation on device arrays; move it with to_device()")
    if isinstance(value, (list, tuple)):
        return type(value)(unwrap(part) for part in value)
    return value


def wrap(result: Any, device: Device | None = None) -> Any:
    """Device arrays for the host arrays in a result; what NumPy made a scalar stays an array."""
    if isinstance(result, (np.ndarray, np.generic)):
        return StrictArray(np.asarray(result), device)
    if isinstance(result, (list, tuple)):
        return type(result)(wrap(part, device) for part in result)
    return result


def launch(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Run a NumPy function as CuPy would: new arrays on the device, or the one given as out."""
    count("launches")
    host_kwargs = {name: unwrap(value) for name, value in kwargs.items()}
    with np.errstate(all="ignore"):  # a device raises no floating-point warnings
        result = function(*map(unwrap, args), **host_kwargs)
    out = kwargs.get("out")
    return wrap(result) if out is None else out


def view(function: Callable[..., Any], array: StrictArray, *args: Any, **kwargs: Any) -> Any:
    """Run a NumPy function that gives a view where it can, and count the copy where it cannot."""
    result = function(array._host, *args, **kwargs)
    for part in result if isinstance(result, (list, tuple)) else (result,):
        if part.size and not np.may_share_memory(part, array._host):
            count("launches")
            count("hidden_copies")
    return wrap(result, array.device)


def bind(name: str, signature: Signature, *args: Any, **kwargs: Any) -> None:
    """Raise StrictError for arguments that CuPy's function does not take."""
    try:
        signature.bind(*args, **kwargs)
    except TypeError as error:
        raise StrictError(f"cupy.{name}{signature}: {error}") from None


def _check_cast(host: Any, dtype: np.dtype) -> None:
    """Raise StrictError for a float that has no integer: what comes out differs between CPU and GPU."""
    values = np.asarray(host)
    if values.dtype.kind != "f" or dtype.kind not in "iu":
        return
    if not np.isfinite(values).all() or (dtype.kind == "u" and (values < 0).any()):
        raise StrictError(f"NaN, infinity or a negative number cast to {dtype}: CuPy and NumPy differ")


def _unary(ufunc: str) -> Method:
    return lambda self: getattr(_xp(), ufunc)(self)


def _binary(ufunc: str) -> Method:
    return lambda self, other: getattr(_xp(), ufunc)(self, other)


def _reflected(ufunc: str) -> Method:
    return lambda self, other: getattr(_xp(), ufunc)(other, self)


def _in_place(ufunc: str) -> Method:
    return lambda self, other: getattr(_xp(), ufunc)(self, other, out=self)


def _method(name: str, run: Method) -> Method:
    """A method of CuPy's arrays, computed by NumPy's method of that name.  run: launch or view."""
    signature = recorded.method(name)
    assert signature is not None, name

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        bind(f"ndarray.{name}", signature, self, *args, **kwargs)
        return run(getattr(np.ndarray, name), self, *args, **kwargs)

    return method


_ARITHMETIC = {
    **{"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide", "pow": "power"},
    **{"floordiv": "floor_divide", "mod": "remainder", "lshift": "left_shift", "rshift": "right_shift"},
    **{"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor", "matmul": "matmul"},
}
_COMPARISONS = {
    **{"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"},
    **{"eq": "equal", "ne": "not_equal"},
}
for _symbol, _ufunc in _ARITHMETIC.items():
    setattr(StrictArray, f"__{_symbol}__", _binary(_ufunc))
    setattr(StrictArray, f"__r{_symbol}__", _reflected(_ufunc))
    setattr(StrictArray, f"__i{_symbol}__", _in_place(_ufunc))
for _symbol, _ufunc in _COMPARISONS.items():
    setattr(StrictArray, f"__{_symbol}__", _binary(_ufunc))
for _symbol, _ufunc in {"neg": "negative", "abs": "absolute", "invert": "invert"}.items():
    setattr(StrictArray, f"__{_symbol}__", _unary(_ufunc))
for _name in (
    *("all", "any", "argmax", "argmin", "argsort", "clip", "copy", "cumprod", "cumsum", "flatten", "max"),
    *("mean", "min", "prod", "round", "std", "sum", "trace", "var"),
):
    setattr(StrictArray, _name, _method(_name, launch))
for _name in ("diagonal", "ravel", "reshape", "squeeze", "swapaxes", "transpose"):
    setattr(StrictArray, _name, _method(_name, view))
