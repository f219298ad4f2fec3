"""NumPy arrays inside a pickle, read without running anything: every claim is checked first."""

from math import prod
from typing import Any

import numpy as np

from minicap.errors import FormatError

_DTYPES = {f"{kind}{size}" for kind, sizes in (("f", "248"), ("i", "1248"), ("u", "1248")) for size in sizes}


class PickledDtype:
    """What a pickle says about a dtype."""

    def __init__(self, name: Any = "", *_: Any) -> None:
        self.name = name.decode("latin1") if isinstance(name, bytes) else name
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def dtype(self) -> np.dtype[Any]:
        """Raises ValueError for anything but plain numbers."""
        order = self.state[1]
        order = order.decode("latin1") if isinstance(order, bytes) else order
        if self.name not in _DTYPES or order not in ("<", ">", "|", "="):
            raise ValueError("no dtype of plain numbers")
        return np.dtype(f"{order}{self.name}")


class PickledArray:
    """What a pickle says about an array; nothing is built before it is checked."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self, where: str) -> np.ndarray:
        """The array, read-only.  Raises FormatError when its bytes are not those of its shape and dtype."""
        try:
            _, shape, kind, fortran, content = self.state
            dtype = kind.dtype()
            if any(type(n) is not int or n < 0 for n in shape) or fortran not in (False, True):
                raise ValueError("no shape")
            if not isinstance(content, bytes) or len(content) != prod(shape) * dtype.itemsize:
                raise ValueError("bytes missing")
            return np.frombuffer(content, dtype).reshape(shape, order="F" if fortran else "C")
        except (AttributeError, TypeError, ValueError, IndexError, OverflowError):
            raise FormatError(f"{where}: an array is described in a way that NumPy does not") from None


PICKLED_ARRAYS: dict[tuple[str, str], Any] = {
    (module, name): stand_in
    for name, stand_in in (("_reconstruct", PickledArray), ("ndarray", PickledArray), ("dtype", PickledDtype))
    for module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy")
}
