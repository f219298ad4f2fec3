"""Call a function with its arguments frozen, and say what it tried to write into."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.gradcheck.nested import arrays_in


def call_frozen(name: str, function: Callable[[], Any], handed: dict[str, Any]) -> tuple[Any, list[str]]:
    """Call function() while every array inside handed is read-only.

    name: "forward" or "backward", for the words.  handed: what the function reads, by the names to report.
    Returns its result and complaints such as "backward wrote into cache.x".  A function that writes is run
    again on writable arrays, so that its numbers can be judged too; what it overwrote is restored.
    """
    arrays = [(path, array) for path, array in arrays_in(handed) if array.flags.writeable]
    copies = [array.copy() for _, array in arrays]

    def run(frozen: list[Array]) -> Any:
        for array in frozen:
            array.flags.writeable = False
        try:
            return function()
        finally:
            # A view can be made writable only after its base array.
            for array in sorted(frozen, key=lambda a: a.base is not None):
                array.flags.writeable = True

    def restore() -> list[str]:
        changed = []
        for (path, array), copy in zip(arrays, copies, strict=True):
            if not np.array_equal(array, copy, equal_nan=array.dtype.kind in "fc"):
                changed.append(path)
                array[...] = copy
        return changed

    def writes_into(array: Array) -> bool:
        try:
            run([array])
        except ValueError as error:
            return "read-only" in str(error)
        finally:
            restore()
        return False

    try:
        result, written = run([array for _, array in arrays]), []
    except ValueError as error:
        if "read-only" not in str(error):
            raise
        written = [path for path, array in arrays if writes_into(array)] or ["an array it was handed"]
        result = function()
    # A write through another view of the same memory evades the frozen flags; the copies reveal it.
    written = list(dict.fromkeys(written + restore()))
    return result, [f"{name} wrote into {path}" for path in written]
