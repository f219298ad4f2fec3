"""Passes over rows, then over columns, and back.

Rows come first: in H, W, N, C memory they are the longest runs.  A few are done at a time, so that the
results stay in cache.  All steps are ufuncs on slices of the logical (N, C, H, W), so any memory order works
and is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from math import prod
from typing import NamedTuple, TypeAlias

from minicap.arrays.backends import Array
from minicap.arrays.columns import crop_images, padded_size
from minicap.arrays.windows import Window
from minicap.backend.cpu.order import axis_order, empty_in_order, in_order, is_float
from minicap.backend.cpu.threads import PRODUCTS_AN_ENTRY, in_parts

BLOCK_BYTES = 1 << 21  # of images
ROWS, COLUMNS = 0, 1  # axes of a window

Part: TypeAlias = tuple[slice, slice, slice]  # of N, C, H


class Block(NamedTuple):
    """Some rows of windows, and the rows of the padded images that they cover."""

    windows: Part
    pixels: Part
    overlap: int  # how many of the last of those rows the next block covers too


def supports(x: Array, *_options: object, **_named: object) -> bool:
    """Whether these are float images; the window checks the options, as it does in the textbook."""
    return is_float(x) and x.ndim == 4


def each_block(fill: Callable[[Block], None], x: Array, window: Window) -> None:
    """fill(block) for every block, on all cores; each fills its own windows."""
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


def read(x: Array, block: Block, window: Window, fill: float) -> Array:
    """The rows of the padded images that a block covers."""
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


def taps(x: Array, axis: int, window: Window, count: int) -> list[Array]:
    """For each entry of the window along one axis: the rows or columns that it meets at `count` positions."""
    stride = window.stride[axis]
    before = (slice(None),) * (2 + axis)
    ends = ((entry, entry + stride * (count - 1) + 1) for entry in range(window.size[axis]))
    return [x[(*before, slice(start, stop, stride))] for start, stop in ends]


def hand_back(
    dout: Array,
    shape: tuple[int, ...],
    order: tuple[int, ...],
    window: Window,
    hand_out: Callable[[Array, list[Array], int, Part], None],
) -> Array:
    """dx (N, C, H, W) of a pooling, in x's memory order.

    hand_out gets gradients of windows (or of their columns) and must fill their taps: assign those
    within the first stride, then add the rest, which overlap them.
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
        hand_out(dwindows, taps(dcolumns, COLUMNS, window, OW), COLUMNS, block.windows)
        shared = 0 if rows.start == 0 else overlap  # rows that the block before has written to
        dbefore = dpixels[:, :, :shared].copy()
        _clear_unseen(dpixels, ROWS, window, dwindows.shape[2])
        hand_out(dcolumns, taps(dpixels, ROWS, window, dwindows.shape[2]), ROWS, block.windows)
        dpixels[:, :, :shared] += dbefore
        overlap = block.overlap
    return crop_images(dpadded, window)


def _clear_unseen(dx: Array, axis: int, window: Window, count: int) -> None:
    """Zero whatever no entry within the first stride reaches."""
    size, stride = window.size[axis], window.stride[axis]
    before = (slice(None),) * (2 + axis)
    dx[(*before, slice(0 if size < stride else stride * count, None))] = 0
