"""Pooling by rows and columns: a window of HH x WW takes HH + WW passes where the textbook takes HH * WW.

Rows come first: over H, W, N, C memory they are the longest runs.  A few are done at a time, so that what is
made of them stays in cache.  All steps are ufuncs on slices of the logical (N, C, H, W), so any memory order
will do and is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import NamedTuple, TypeAlias

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.columns import crop_images, padded_size
from minicap.arrays.dispatch import Override
from minicap.arrays.windows import IntOrPair, Window, entries_inside, pair, pooling_window
from minicap.backend.cpu.order import (
    as_hwnc,
    axis_order,
    empty_images,
    empty_in_order,
    in_order,
    is_float,
    is_hwnc,
)
from minicap.backend.cpu.threads import PRODUCTS_AN_ENTRY, in_parts

BLOCK_BYTES = 1 << 21  # of images
ROWS, COLUMNS = 0, 1  # axes of a window

Part: TypeAlias = tuple[slice, slice, slice]  # of N, C, H


class Block(NamedTuple):
    """Some rows of windows, and the rows of the padded images that they see."""

    windows: Part
    pixels: Part
    overlap: int  # how many of the last of those rows the next block sees too


def supports(x: Array, *_options: object, **_named: object) -> bool:
    """Float images.  What is wrong with an option, the window says as it does in the textbook."""
    return is_float(x) and x.ndim == 4


class MaxPoolCache(NamedTuple):
    """Who wins: one mask for every entry of a window but the first, True where it beats all before it."""

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
        pixels, largest = _read(x, block, window, -np.inf), out[block.windows]
        tallest = empty_in_order((*largest.shape[:3], W), order, x.dtype)
        by_row = [mask[block.windows] for mask in later_rows]
        _largest_row(_taps(pixels, ROWS, window, largest.shape[2]), tallest, by_row)
        by_column = [mask[block.windows] for mask in later_columns]
        row = _taps(_winning_row(by_row, tallest), COLUMNS, window, OW)
        _largest_column(_taps(tallest, COLUMNS, window, OW), row, largest, by_column)

    _each_block(fill, x, window)
    return out, MaxPoolCache(later_rows, later_columns, x.shape, order, window)


def max_pool_backward(dout: Array, cache: MaxPoolCache) -> Array:
    """From every window to the column that won, and from there to the row that won."""
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

    return _hand_back(dout, shape, order, window, to_winner)


class AvgPoolCache(NamedTuple):
    counts: Array  # (OH, OW) entries that each window is averaged over
    shape: tuple[int, ...]  # of x
    order: tuple[int, ...]  # of x's axes in memory
    window: Window


def avg_pool_forward(
    x: Array,
    size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    pad: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> tuple[Array, AvgPoolCache]:
    """Mean of every window."""
    window = pooling_window(avg_pool_forward, x.shape[2:], size, stride, pad, ceil_mode)
    (N, C, _, _), (OH, OW), order = x.shape, window.out, axis_order(x)
    margin = pair(avg_pool_forward, "pad", pad, least=0) if count_include_pad else (0, 0)
    counts = entries_inside(window, margin, np).astype(x.dtype)
    out = empty_in_order((N, C, OH, OW), order, x.dtype)

    def fill(block: Block) -> None:
        pixels, mean = _read(x, block, window, 0), out[block.windows]
        columns = empty_in_order((*mean.shape[:3], pixels.shape[3]), order, x.dtype)
        _total(_taps(pixels, ROWS, window, mean.shape[2]), columns)
        _total(_taps(columns, COLUMNS, window, OW), mean)
        mean /= counts[block.windows[2]]

    _each_block(fill, x, window)
    return out, AvgPoolCache(counts, x.shape, order, window)


def avg_pool_backward(dout: Array, cache: AvgPoolCache) -> Array:
    """The same share for every column of a window, and in a column for every row."""
    counts, shape, order, window = cache
    check_dout(avg_pool_backward, (*shape[:2], *window.out), dout=dout)

    def to_all(dtotal: Array, taps: Sequence[Array], axis: int, _part: Part) -> None:
        for entry, tap in enumerate(taps):
            if entry < window.stride[axis]:
                tap[...] = dtotal
            else:
                tap += dtotal

    return _hand_back(dout / counts, shape, order, window, to_all)


class GlobalAvgPoolCache(NamedTuple):
    shape: tuple[int, ...]  # of x


def supports_global(x: Array) -> bool:
    """Images over H, W, N, C memory; for others the textbook's sum runs along memory already."""
    return supports(x) and is_hwnc(x)


def global_avg_pool_forward(x: Array) -> tuple[Array, GlobalAvgPoolCache]:
    """Mean of every channel, as a product with a row of ones (many times faster than a sum over rows)."""
    N, C, H, W = x.shape
    pixels, share = as_hwnc(x).reshape(H * W, N * C), np.full(H * W, 1 / (H * W), x.dtype)
    means = in_parts(lambda part: share @ pixels[:, part], N * C, PRODUCTS_AN_ENTRY * x.size)
    return np.concatenate(means).reshape(N, C), GlobalAvgPoolCache(x.shape)


def global_avg_pool_backward(dout: Array, cache: GlobalAvgPoolCache) -> Array:
    """The same share for every pixel."""
    N, C, H, W = cache.shape
    check_dout(global_avg_pool_backward, (N, C), dout=dout)
    dx = empty_images(cache.shape, dout.dtype)
    as_hwnc(dx)[...] = dout / (H * W)
    return dx


def _each_block(fill: Callable[[Block], None], x: Array, window: Window) -> None:
    """fill(block) for every block, on all cores; each fills the windows of its own."""
    blocks = list(_blocks(x.shape, axis_order(x), x.itemsize, window))

    def some(part: slice) -> None:
        for block in blocks[part]:
            fill(block)

    in_parts(some, len(blocks), PRODUCTS_AN_ENTRY * x.size)


def _blocks(shape: Sequence[int], order: Sequence[int], itemsize: int, window: Window) -> Iterator[Block]:
    """Cut the work along whichever of height and images is slower in memory."""
    N, *_ = shape
    OH, stride, size = window.out[ROWS], window.stride[ROWS], window.size[ROWS]
    pieces = -(-prod(shape) * itemsize // BLOCK_BYTES)
    by_rows = order.index(2) < order.index(0)
    channels = slice(None)
    for first_image, last_image in _cut(N, 1 if by_rows else pieces):
        images = slice(first_image, last_image)
        for first, last in _cut(OH, pieces if by_rows else 1):
            end = (last - 1) * stride + size
            next_start = last * stride if last < OH else end
            yield Block(
                (images, channels, slice(first, last)),
                (images, channels, slice(first * stride, max(end, next_start))),
                max(0, end - next_start),
            )


def _cut(length: int, pieces: int) -> Iterator[tuple[int, int]]:
    pieces = min(length, pieces)
    for i in range(pieces):
        yield length * i // pieces, length * (i + 1) // pieces


def _read(x: Array, block: Block, window: Window, fill: float) -> Array:
    """The rows of the padded images that a block sees."""
    images, _, rows = block.pixels
    if window.pad == ((0, 0), (0, 0)):
        return x[block.pixels]
    (above, _), (left, _) = window.pad
    H, W = window.image
    pixels = empty_in_order(
        (len(x[images]), x.shape[1], rows.stop - rows.start, padded_size(window)[1]), axis_order(x), x.dtype
    )
    pixels[...] = fill
    inside = slice(max(0, rows.start - above), min(H, rows.stop - above))
    shift = above - rows.start
    pixels[:, :, inside.start + shift : inside.stop + shift, left : left + W] = x[images, :, inside]
    return pixels


def _taps(x: Array, axis: int, window: Window, count: int) -> list[Array]:
    """For each entry of the window along one axis: the rows or columns that it meets at `count` positions."""
    stride = window.stride[axis]
    before = (slice(None),) * (2 + axis)
    ends = ((entry, entry + stride * (count - 1) + 1) for entry in range(window.size[axis]))
    return [x[(*before, slice(start, stop, stride))] for start, stop in ends]


def _largest_row(taps: Sequence[Array], out: Array, later_wins: Sequence[Array]) -> None:
    """Fill out with the largest of the taps, and the masks with who that is: the first of equal ones."""
    largest, *later = taps
    for tap, wins in zip(later, later_wins, strict=True):
        np.greater(tap, largest, out=wins)
        largest = np.maximum(largest, tap, out=out)
    if not later:
        out[...] = largest


def _winning_row(later_wins: Sequence[Array], like: Array) -> Array:
    """Which row of the window it was: bytes."""
    if len(later_wins) == 1:
        return later_wins[0].view(np.uint8)
    row = np.zeros_like(like, dtype=np.uint8)
    for entry, wins in enumerate(later_wins, start=1):
        np.maximum(row, wins.view(np.uint8) * np.uint8(entry), out=row)
    return row


def _largest_column(
    taps: Sequence[Array], rows: Sequence[Array], out: Array, later_wins: Sequence[Array]
) -> None:
    """The same for columns, where a later column wins a tie if its row is earlier: that is reading order."""
    (largest, *later), (row, *later_rows) = taps, rows
    for tap, tap_row, wins in zip(later, later_rows, later_wins, strict=True):
        np.greater(tap, largest, out=wins)
        if (tie := tap == largest).any():
            wins |= tie & (tap_row < row)
        largest = np.maximum(largest, tap, out=out)
        row = row + (tap_row - row) * wins if len(later) > 1 else row
    if not later:
        out[...] = largest


def _total(taps: Sequence[Array], out: Array) -> None:
    """Fill out with the sum of the taps."""
    total, *later = taps
    for tap in later:
        total = np.add(total, tap, out=out)
    if not later:
        out[...] = total


def _hand_back(
    dout: Array,
    shape: tuple[int, ...],
    order: tuple[int, ...],
    window: Window,
    hand_out: Callable[[Array, list[Array], int, Part], None],
) -> Array:
    """dx (N, C, H, W) of a pooling, in x's memory order.

    hand_out gets gradients of windows (or of their columns), and has to fill their taps: assign
    what lies in the first stride's width, then add the rest, which overlaps it.
    """
    (N, C, _, _), (OH, OW) = shape, window.out
    dout = in_order(dout, order)
    dpadded = empty_in_order((N, C, *padded_size(window)), order, dout.dtype)
    dpadded[:, :, (OH - 1) * window.stride[ROWS] + window.size[ROWS] :] = 0
    overlap = 0
    for block in _blocks(shape, order, dout.itemsize, window):
        rows = block.pixels[2]
        dwindows, dpixels = dout[block.windows], dpadded[block.pixels]
        dcolumns = empty_in_order((*dwindows.shape[:3], dpadded.shape[3]), order, dout.dtype)
        _clear_unseen(dcolumns, COLUMNS, window, OW)
        hand_out(dwindows, _taps(dcolumns, COLUMNS, window, OW), COLUMNS, block.windows)
        shared = 0 if rows.start == 0 else overlap  # rows that the block before has written to
        dbefore = dpixels[:, :, :shared].copy()
        _clear_unseen(dpixels, ROWS, window, dwindows.shape[2])
        hand_out(dcolumns, _taps(dpixels, ROWS, window, dwindows.shape[2]), ROWS, block.windows)
        dpixels[:, :, :shared] += dbefore
        overlap = block.overlap
    return crop_images(dpadded, window)


def _clear_unseen(dx: Array, axis: int, window: Window, count: int) -> None:
    """Zero for what no entry in the first stride's width meets."""
    size, stride = window.size[axis], window.stride[axis]
    before = (slice(None),) * (2 + axis)
    dx[(*before, slice(0 if size < stride else stride * count, None))] = 0


OVERRIDES = (
    Override("max_pool", max_pool_forward, supports, MaxPoolCache, max_pool_backward),
    Override("avg_pool", avg_pool_forward, supports, AvgPoolCache, avg_pool_backward),
    Override(
        "global_avg_pool",
        global_avg_pool_forward,
        supports_global,
        GlobalAvgPoolCache,
        global_avg_pool_backward,
    ),
)
