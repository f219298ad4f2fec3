"""The namespace of the stand-in: CuPy's functions with what each of them costs."""

from types import SimpleNamespace
from typing import Any

import numpy as np

from strict_cupy import recorded
from strict_cupy.array import StrictArray, bind, launch, unwrap, view, wrap
from strict_cupy.counts import count
from strict_cupy.errors import StrictError
from strict_cupy.indexing import check_range
from strict_cupy.streams import Stream, allocated, current_stream

# Functions that were looked at, by what they do on a device.  Others are refused until they are named here.
CREATING = {"arange", "eye", "full", "linspace", "ones", "tri", "zeros"}
LIKE = {"full_like", "ones_like", "zeros_like"}
UNINITIALISED = {"empty", "empty_like"}
VIEWING = {
    *("broadcast_to", "diagonal", "expand_dims", "flip", "moveaxis", "ravel", "reshape", "squeeze"),
    *("swapaxes", "transpose", "lib.stride_tricks.as_strided"),
}
COMPUTING = {
    *("all", "any", "argmax", "argmin", "argsort", "clip", "concatenate", "copy", "cumprod", "cumsum"),
    *("diff", "einsum", "max", "mean", "min", "outer", "pad", "prod", "roll", "searchsorted", "sort"),
    *("stack", "std", "sum", "take", "take_along_axis", "tile", "trace", "tril", "triu", "var", "where"),
}
SYNCING = {"argwhere", "bincount", "flatnonzero", "nonzero", "unique"}
COPYING = {"array", "asarray", "ascontiguousarray"}
OF_DTYPES = {"can_cast", "ndim", "result_type", "shape"}  # need no device


class Namespace:
    """Stands for the module cupy."""

    __name__ = "strict_cupy"
    ndarray = StrictArray

    def __init__(self) -> None:
        self.cuda = SimpleNamespace(Stream=Stream, get_current_stream=current_stream)
        self.lib = SimpleNamespace(
            stride_tricks=SimpleNamespace(as_strided=Function("lib.stride_tricks.as_strided"))
        )

    def __getattr__(self, name: str) -> Any:
        value = self._find(name)
        setattr(self, name, value)
        return value

    def _find(self, name: str) -> Any:
        if name in recorded.FROM_NUMPY:
            return getattr(np, name)
        if name in recorded.UFUNCS:
            return Ufunc(name)
        if recorded.function(name) is None:
            raise AttributeError(f"CuPy {recorded.VERSION} has no {name!r}")
        return Function(name)

    def matmul(self, a: Any, b: Any, out: StrictArray | None = None) -> Any:
        """The matrix product.  An operand in neither C nor Fortran order is copied first."""
        for operand in (a, b):
            _count_gemm_copy(unwrap(operand))
        return launch(np.matmul, a, b) if out is None else launch(np.matmul, a, b, out=out)

    def dot(self, a: Any, b: Any, out: StrictArray | None = None) -> Any:
        """As matmul, for two axes at most."""
        if max(a.ndim, b.ndim) > 2:
            raise StrictError("dot of more than two axes transposes and copies; use matmul or tensordot")
        return self.matmul(a, b, out)

    def get_default_memory_pool(self) -> Any:
        """A pool that keeps nothing."""
        return SimpleNamespace(free_bytes=lambda: 0)

    def asnumpy(self, array: Any) -> np.ndarray:
        """A copy on the host."""
        return array.get()


class Function:
    """A function of CuPy, computed by the NumPy function of that name.

    Raises StrictError for arguments that CuPy's does not take, and for host arrays among them.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.signature = recorded.function(name)
        self.numpy: Any = np
        for part in name.split("."):
            self.numpy = getattr(self.numpy, part)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert self.signature is not None
        bind(self.name, self.signature, *args, **kwargs)
        self._check_indices(*args, **kwargs)
        name = self.name
        if name in COPYING:
            return self._copy(*args, **kwargs)
        if name in OF_DTYPES:
            return self.numpy(*(a._host if isinstance(a, StrictArray) else a for a in args), **kwargs)
        if name in UNINITIALISED:
            return _poisoned(self.numpy(*map(unwrap, args), **kwargs))
        if name in VIEWING:
            unwrap(args[0])
            return view(self.numpy, *args, **kwargs)
        if name in SYNCING or (name == "where" and len(args) + len(kwargs) == 1):
            count("syncs")
        elif name not in CREATING | LIKE | COMPUTING:
            raise StrictError(f"CuPy has {name}, but the stand-in does not know what it costs; name it there")
        if name == "bincount" and (len(args) > 1 or "weights" in kwargs):
            count("nondeterministic")
        if name not in CREATING:
            self._check_arrays(args)
        return launch(self.numpy, *args, **kwargs)

    def _check_arrays(self, args: tuple[Any, ...]) -> None:
        """Refuse numbers and lists where CuPy takes arrays; NumPy would make arrays of them."""
        parts = args[0] if isinstance(args[0], (list, tuple)) else args[:1]
        for part in parts:
            if not isinstance(part, (StrictArray, str)):
                raise StrictError(f"cupy.{self.name} of a {type(part).__name__}; it takes device arrays")

    def _check_indices(self, *args: Any, **kwargs: Any) -> None:
        assert self.signature is not None
        if self.name in ("take", "take_along_axis"):
            given = self.signature.bind(*args, **kwargs).arguments
            axis = given.get("axis")
            size = given["a"].size if axis is None else given["a"].shape[axis]
            check_range(unwrap(given["indices"]), size)

    def _copy(self, array: Any, *args: Any, **kwargs: Any) -> StrictArray:
        if not isinstance(array, StrictArray):
            count("to_device" if current_stream().null else "uploads")
            copy = np.array(self.numpy(array, *args, **kwargs))
            allocated(copy)
            return StrictArray(copy)
        result = self.numpy(array._host, *args, **kwargs)
        if result is array._host:
            return array
        count("launches")
        return StrictArray(result)


class Ufunc:
    """An element-wise function of CuPy."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name
        self.numpy: np.ufunc = getattr(np, name)

    def __call__(self, *args: Any, **options: Any) -> Any:
        for arg in args:
            if not isinstance(arg, (StrictArray, np.generic, bool, int, float, complex)):
                unwrap(arg)
                raise StrictError(f"cupy.{self.name} of a {type(arg).__name__}; it takes arrays and numbers")
        if unknown := options.keys() - {"out", "dtype", "casting"}:
            raise StrictError(f"cupy.{self.name} has no keyword {', '.join(sorted(unknown))}")
        return launch(self.numpy, *args, **options)

    def at(self, array: StrictArray, indices: Any, values: Any = None) -> None:
        """Add in place where an index may meet twice, in an order of chance."""
        if self.name != "add":
            raise StrictError(f"cupy.{self.name}.at: the stand-in knows add.at only")
        count("launches")
        if array.dtype.kind in "fc":
            count("nondeterministic")
        check_range(unwrap(indices), len(array))
        np.add.at(array._host, unwrap(indices), unwrap(values))

    def __getattr__(self, name: str) -> Any:
        raise StrictError(f"cupy.{self.name}.{name} is not used here; take a function of the namespace")


def _poisoned(host: np.ndarray) -> StrictArray:
    """New memory that shows when it is read before it is written."""
    if host.dtype.kind in "fc":
        host.fill(np.nan)
    else:
        host.fill(True if host.dtype == bool else np.iinfo(host.dtype).max)
    return wrap(host)


def _count_gemm_copy(host: Any) -> None:
    """cuBLAS reads rows or columns of matrices that lie apart; anything else is copied for it."""
    if host.ndim < 2 or not host.size:
        return
    (rows, columns), (row_step, column_step) = host.shape[-2:], host.strides[-2:]
    in_rows = column_step == host.itemsize and row_step >= columns * host.itemsize
    in_columns = row_step == host.itemsize and column_step >= rows * host.itemsize
    if not (in_rows or in_columns):
        count("launches")
        count("hidden_copies")


xp = Namespace()
