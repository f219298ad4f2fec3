"""Max pooling."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.columns import padded_size
from minicap.arrays.dispatch import Override
from minicap.arrays.windows import IntOrPair, Window, pooling_window
from minicap.backend.cpu.order import axis_order, empty_in_order
from minicap.backend.cpu.pooling.passes import (
    COLUMNS,
    ROWS,
    Block,
    Part,
    each_block,
    hand_back,
    read,
    supports,
    taps,
)


class MaxPoolCache(NamedTuple):
    """The winners: a mask for every entry of a window but the first, True where it beats all before it."""

    later_rows: list[Array]  # bool (N, C, OH, W), W with the padding
    later_columns: list[Array]  # bool (N, C, OH, OW)
    shape: tuple[int, ...]  # of x
    order: tuple[int, ...]  # of x's axes in memory
    window: Window


def max_pool_forward(
    x: Array,
    size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    pad: IntOrPair = 0,
    ceil_mode: bool = False,
) -> tuple[Array, MaxPoolCache]:
    """Largest value of every window."""
    window = pooling_window(max_pool_forward, x.shape[2:], size, stride, pad, ceil_mode)
    (N, C, _, _), (OH, OW), order = x.shape, window.out, axis_order(x)
    _, W = padded_size(window)
    out = empty_in_order((N, C, OH, OW), order, x.dtype)
    later_rows = [empty_in_order((N, C, OH, W), order, bool) for _ in range(window.size[ROWS] - 1)]
    later_columns = [empty_in_order(out.shape, order, bool) for _ in range(window.size[COLUMNS] - 1)]

    def fill(block: Block) -> None:
        pixels, largest = read(x, block, window, -np.inf), out[block.windows]
        tallest = empty_in_order((*largest.shape[:3], W), order, x.dtype)
        by_row = [mask[block.windows] for mask in later_rows]
        _largest_row(taps(pixels, ROWS, window, largest.shape[2]), tallest, by_row)
        by_column = [mask[block.windows] for mask in later_columns]
        row = taps(_winning_row(by_row, tallest), COLUMNS, window, OW)
        _largest_column(taps(tallest, COLUMNS, window, OW), row, largest, by_column)

    each_block(fill, x, window)
    return out, MaxPoolCache(later_rows, later_columns, x.shape, order, window)


def max_pool_backward(dout: Array, cache: MaxPoolCache) -> Array:
    """Hand each window's gradient to the column that won, and from there to the row that won."""
    *masks, shape, order, window = cache
    check_dout(max_pool_backward, (*shape[:2], *window.out), dout=dout)

    def to_winner(dlargest: Array, taps: Sequence[Array], axis: int, part: Part) -> None:
        overlapping = []
        for entry in range(len(taps) - 1, 0, -1):
            wins = masks[axis][entry - 1][part]
            if entry < window.stride[axis]:
                share = np.multiply(dlargest, wins, out=taps[entry])
            else:
                share = dlargest * wins
                overlapping.append((taps[entry], share))
            dlargest = np.subtract(dlargest, share, out=taps[0] if entry == 1 else None)
        if len(taps) == 1:
            taps[0][...] = dlargest
        for tap, share in overlapping:
            tap += share

    return hand_back(dout, shape, order, window, to_winner)


def _largest_row(taps: Sequence[Array], out: Array, later_wins: Sequence[Array]) -> None:
    """Fill out with the largest of the taps, and the masks with which one it is: the first of equal ones."""
    largest, *later = taps
    for tap, wins in zip(later, later_wins, strict=True):
        np.greater(tap, largest, out=wins)
        largest = np.maximum(largest, tap, out=out)
    if not later:
        out[...] = largest


def _winning_row(later_wins: Sequence[Array], like: Array) -> Array:
    """Which row of the window won, as bytes."""
    if len(later_wins) == 1:
        return later_wins[0].view(np.uint8)
    row = np.zeros_like(like, dtype=np.uint8)
    for entry, wins in enumerate(later_wins, start=1):
        np.maximum(row, wins.view(np.uint8) * np.uint8(entry), out=row)
    return row


def _largest_column(
    taps: Sequence[Array], rows: Sequence[Array], out: Array, later_wins: Sequence[Array]
) -> None:
    """The same for columns; a later column wins a tie if its row is earlier, as in reading order."""
    (largest, *later), (row, *later_rows) = taps, rows
    for tap, tap_row, wins in zip(later, later_rows, later_wins, strict=True):
        np.greater(tap, largest, out=wins)
        if (tie := tap == largest).any():
            wins |= tie & (tap_row < row)
        largest = np.maximum(largest, tap, out=out)
        row = row + (tap_row - row) * wins if len(later) > 1 else row
    if not later:
        out[...] = largest


MAX_POOL = Override("max_pool", max_pool_forward, supports, MaxPoolCache, max_pool_backward)
