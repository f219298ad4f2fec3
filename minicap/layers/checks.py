"""The checks that every layer makes of its arguments, and the messages when they fail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from math import inf, isfinite, nan, prod
from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.arrays.checks import check_dout as check_dout
from minicap.arrays.checks import require_arrays
from minicap.errors import ClassIndexError, DtypeError, InputError, ShapeError

_DTYPES = {np.dtype(name) for name in ("float32", "float64")}  # float16 is too coarse

# The gradient checker judges smooth layers by the complex step (docs/gradcheck.md), so their bodies hold in
# complex numbers as well; where one takes `.real`, it is for that.  Otherwise complex arrays are refused.
_complex_allowed: ContextVar[bool] = ContextVar("minicap_complex_allowed", default=False)


@contextmanager
def complex_numbers() -> Iterator[None]:
    """Let layers take complex arrays inside the `with` block."""
    token = _complex_allowed.set(True)
    try:
        yield
    finally:
        _complex_allowed.reset(token)


def check(function: Callable[..., Any], **arguments: tuple[Any, str]) -> Any:
    """Check arrays against their patterns; return the namespace (NumPy, CuPy) they live in.

    Each argument is (array, pattern).  A pattern names the axes, "N C H W": a letter stands for the
    same size in every argument, "..." at the end for any further axes, and "?" at the end lets None pass.

    Raises BackendMismatch when backends are mixed or an array is missing, DtypeError for anything but float32
    or float64 (one of them for all), ShapeError for a wrong number of axes, an empty axis, or sizes that
    differ.
    """
    arrays = {
        name: array for name, (array, pattern) in arguments.items() if array is not None or pattern[-1] != "?"
    }
    xp = require_arrays(function, **arrays)
    sizes: dict[str, int] = {}
    first = dtype = None
    for name, array in arrays.items():
        if array.dtype is not dtype:  # dtypes are singletons, so this is the common case decided at once
            if dtype is not None and array.dtype != dtype:
                raise DtypeError(
                    f"{function.__name__}: {first} is {dtype} but {name} is {array.dtype}; use one for both"
                )
            check_float(function, name, array)
            first, dtype = first or name, array.dtype
        letters, open_ended = _parse(arguments[name][1])
        shape = array.shape
        if len(shape) != len(letters) and not (open_ended and len(shape) > len(letters)):
            pattern = arguments[name][1].removesuffix("?")
            raise ShapeError(
                f"{function.__name__}: {name} has {len(shape)} axes {shape} but must be ({pattern})"
            )
        for letter, size in zip(letters, shape, strict=False):
            if sizes.setdefault(letter, size) != size:
                raise _size_error(function, letter, name, arrays, arguments)
        if 0 in shape:
            raise ShapeError(
                f"{function.__name__}: {name} is empty {shape}; every axis needs at least one entry"
            )
    return xp


def check_float(function: Callable[..., Any], name: str, array: Array) -> None:
    """Raise DtypeError unless the array is float32 or float64."""
    if array.dtype not in _DTYPES and not (array.dtype.kind == "c" and _complex_allowed.get()):
        hint = "use float32" if array.dtype.kind in "fc" else f"convert it with {name}.astype(numpy.float32)"
        raise DtypeError(
            f"{function.__name__}: {name} is {array.dtype} but must be float32 or float64; {hint}"
        )


def check_ids(function: Callable[..., Any], what: str, upper: int, **ids: Array) -> None:
    """Check that integer indices lie in 0..upper-1.

    what: "class", "word".  On a GPU the range is not checked: that would wait for the device.
    Raises DtypeError when they are not integers, ClassIndexError naming the first one out of range.
    """
    (name, array), *_ = ids.items()
    xp = require_arrays(function, **ids)
    if array.dtype.kind not in "iu":
        raise DtypeError(f"{function.__name__}: {name} is {array.dtype} but must hold integer {what} indices")
    if xp is np and array.size and (array.min() < 0 or array.max() >= upper):
        position = tuple(int(i) for i in np.argwhere((array < 0) | (array >= upper))[0])
        raise ClassIndexError(
            f"{function.__name__}: {name}{list(position)} is {array[position]} but a {what} index must be "
            f"0..{upper - 1}"
        )


def check_mask(function: Callable[..., Any], mask: Array, shape: tuple[int, ...], x: Array) -> Array:
    """A mask of zeros and ones in x's dtype.

    Raises ShapeError unless it has this shape, DtypeError unless it holds booleans or floats.
    """
    require_arrays(function, x=x, mask=mask)
    if mask.shape != shape:
        raise shape_error(function, f"mask is {mask.shape} but must be {shape}", x=x)
    if mask.dtype != bool:
        check_float(function, "mask", mask)
    return mask.astype(x.dtype, copy=False)


def number(
    function: Callable[..., Any], name: str, value: Any, least: float = -inf, most: float = inf
) -> float:
    """An option that is a finite number, as a float: a NumPy scalar would turn float32 into float64.

    Raises InputError for anything else, or a value outside [least, most].
    """
    try:
        found = nan if isinstance(value, str) else float(value)
    except (TypeError, ValueError):
        found = nan
    if not (isfinite(found) and least <= found <= most):
        allowed = f"lie in [{least:g}, {most:g}]" if isfinite(most) else "be a finite number"
        above = f" of at least {least:g}" if isfinite(least) and not isfinite(most) else ""
        raise InputError(f"{function.__name__}: {name} is {value!r} but must {allowed}{above}")
    return found


def shape_error(function: Callable[..., Any], message: str, **arguments: Any) -> ShapeError:
    """A ShapeError whose message ends with the shapes of the arrays and the values of the options given."""
    given = ", ".join(f"{name} {getattr(value, 'shape', value)}" for name, value in arguments.items())
    return ShapeError(f"{function.__name__}: {message} ({given})")


def flat_size(x: Array) -> int:
    """How many numbers a sample has: d1 * ... * dk of (N, d1, ..., dk)."""
    return prod(x.shape[1:])


@cache
def _parse(pattern: str) -> tuple[tuple[str, ...], bool]:
    letters = pattern.removesuffix("?").split()
    return tuple(letters[:-1] if letters[-1] == "..." else letters), letters[-1] == "..."


def _size_error(
    function: Callable[..., Any], letter: str, name: str, arrays: dict[str, Any], arguments: dict[str, Any]
) -> ShapeError:
    def size_in(owner: str) -> int:
        return arrays[owner].shape[_parse(arguments[owner][1])[0].index(letter)]

    first = next(n for n in arrays if letter in _parse(arguments[n][1])[0])
    patterns = [arguments[n][1].removesuffix("?") for n in (first, name)]
    return shape_error(
        function,
        f"{name} does not fit {first}: {letter} is {size_in(first)} in {first} "
        f"({patterns[0]}) but {size_in(name)} in {name} ({patterns[1]})",
        **{n: arrays[n] for n in dict.fromkeys((first, name))},
    )
