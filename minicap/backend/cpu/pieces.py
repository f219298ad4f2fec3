"""Elementwise work, done piece by piece so that its temporaries stay in cache."""

from collections.abc import Callable

import numpy as np

from minicap.arrays.backends import Array
from minicap.backend.cpu.order import axis_order, flat_pieces, is_dense
from minicap.backend.cpu.threads import PRODUCTS_AN_ENTRY, in_parts

ENTRIES = 1 << 17  # of a piece


def by_pieces(work: Callable[..., None], *arrays: Array) -> None:
    """Call work(*pieces) so that it sees every entry of arrays of one shape once, on all cores.

    work: changes entries in place, each from the entries at the same place in the other arrays.
    The pieces are flat and match.  Arrays that are small, not NumPy's or of different memory orders are
    passed whole.
    """
    first = arrays[0]
    if first.size <= ENTRIES or not all(_match(first, array) for array in arrays):
        work(*arrays)
        return
    pieces = list(flat_pieces(*arrays, entries=ENTRIES))

    def some(part: slice) -> None:
        for piece in pieces[part]:
            work(*piece)

    in_parts(some, len(pieces), PRODUCTS_AN_ENTRY * first.size)


def _match(first: Array, other: Array) -> bool:
    return (
        isinstance(other, np.ndarray)
        and other.shape == first.shape
        and is_dense(other)
        and axis_order(other) == axis_order(first)
    )
