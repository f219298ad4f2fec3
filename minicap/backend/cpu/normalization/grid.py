"""Arrays as batch normalisation sees them: a matrix with a row for all channels.

A row holds several pixels where the channel is the fastest axis in memory, and all pixels where it is not.
Then a parameter is a row too, and ufuncs are fast on long rows.  BLAS takes the sums: as products with a row
of ones, or dot products of pixels.
"""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.backend.cpu.normalization import rows
from minicap.backend.cpu.order import Scratch, axis_order
from minicap.backend.cpu.threads import PRODUCTS_AN_ENTRY, in_parts


class Piece(NamedTuple):
    """A part of a matrix that stays in cache."""

    rows: slice
    columns: slice
    channels: int  # in the columns
    first: int  # of these channels

    @property
    def at(self) -> tuple[slice, slice]:
        """Where it lies in the matrix."""
        return self.rows, self.columns


class Grid:
    """Arrays (N, D, ...) of one memory order as matrices, and the pieces these are cut into.

    A row holds every channel of `together` outer positions, each with the `inside` entries that lie within it
    in memory: (together, D, inside).
    """

    def __init__(self, x: Array) -> None:
        self.order, self.channels, self.dtype = axis_order(x), x.shape[1], x.dtype
        self.inside = prod(x.shape[axis] for axis in self.order[self.order.index(1) + 1 :])
        pixels = self.channels * self.inside
        self.together = rows.largest_divisor(x.size // pixels, max(1, rows.LONG_ROW // pixels))
        self.shape = count, width = x.size // (self.together * pixels), self.together * pixels
        if width <= rows.PIECE:
            step = rows.PIECE // width
            whole = slice(0, width), self.channels, 0
            self.pieces = [Piece(slice(i, i + step), *whole) for i in range(0, count, step)]
        else:
            step = max(1, rows.PIECE // self.inside)
            starts = range(0, self.channels, step)
            blocks = [(first, min(step, self.channels - first)) for first in starts]
            self.pieces = [
                Piece(slice(i, i + 1), slice(first * self.inside, (first + some) * self.inside), some, first)
                for i in range(count)
                for first, some in blocks
            ]

    def matrix(self, array: Array) -> Array:
        """A view of an array in x's memory order."""
        return array.transpose(self.order).reshape(self.shape)

    def row(self, parameter: Array) -> Array:
        """(D,) as a row of the matrix."""
        return np.tile(np.repeat(parameter.astype(self.dtype), self.inside), self.together)

    def each(self, work: Callable[[int, Piece, Scratch], None]) -> None:
        """work(index, piece, scratch) for every piece, on all cores."""

        def some(part: slice) -> None:
            scratch = Scratch(self.dtype)
            for index, piece in enumerate(self.pieces[part], part.start):
                work(index, piece, scratch)

        in_parts(some, len(self.pieces), PRODUCTS_AN_ENTRY * prod(self.shape))

    def sums(self, x: Array, centre: Array | None, other: Array | None = None) -> Array:
        """Sums over every channel of  o  and of  (x - centre) o,  float64 (2, D).

        o is `other`, or x - centre itself if there is none.
        """
        x_rows, other_rows = self.matrix(x), None if other is None else self.matrix(other)
        centres = None if centre is None else self.row(centre)
        # One result per piece, so that they are added up in the same order for any number of threads.
        found = np.zeros((len(self.pieces), 2, self.channels))

        def work(index: int, piece: Piece, scratch: Scratch) -> None:
            centred = x_rows[piece.at]
            if centres is not None:
                centred = np.subtract(centred, centres[piece.columns], out=scratch("centred", *centred.shape))
            o = centred if other_rows is None else other_rows[piece.at]
            channels = slice(piece.first, piece.first + piece.channels)
            if self.inside == 1:
                product = np.multiply(centred, o, out=scratch("product", *o.shape))
                ones = np.ones(len(o), self.dtype)
                columns = np.stack([ones @ o, ones @ product])
                found[index, :, channels] = columns.reshape(2, -1, piece.channels).sum(
                    axis=1, dtype=np.float64
                )
            else:
                o, centred = (a.reshape(-1, piece.channels, self.inside) for a in (o, centred))
                ones = np.ones(self.inside, self.dtype)
                found[index, 0, channels] = np.vecdot(o, ones).sum(axis=0, dtype=np.float64)
                found[index, 1, channels] = np.vecdot(o, centred).sum(axis=0, dtype=np.float64)

        self.each(work)
        return found.sum(axis=0)
