"""Blocks: the part of a batch that a fast layer works on at a time, small enough to stay in cache."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from numpy.lib.stride_tricks import as_strided

from minicap.arrays.backends import Array
from minicap.arrays.windows import Window
from minicap.backend.cpu.order import Scratch


class Block(NamedTuple):
    """Some rows and columns (of tiles or of positions) of some images."""

    row: int
    rows: int
    col: int
    cols: int
    images: slice

    @property
    def N(self) -> int:
        """How many images."""
        return self.images.stop - self.images.start

    @property
    def is_first(self) -> bool:
        """Whether it is the batch's first block."""
        return not (self.row or self.col or self.images.start)


def blocks(rows: int, cols: int, images: int, step: tuple[int, int, int]) -> Iterator[Block]:
    """Cut rows x cols of a batch into even blocks, none larger than step = (rows, cols, images)."""
    for first, last in _pieces(images, step[2]):
        for row, row_end in _pieces(rows, step[0]):
            for col, col_end in _pieces(cols, step[1]):
                yield Block(row, row_end - row, col, col_end - col, slice(first, last))


def _pieces(length: int, step: int) -> list[tuple[int, int]]:
    count = -(-length // step)
    return list(pairwise(length * i // count for i in range(count + 1)))


def read(memory: Array, top: int, left: int, images: slice, block: Array) -> None:
    """Fill block (h, w, n, C) with the pixels from (top, left) on; what lies outside the image is zero.

    memory: (H, W, N, C) in any order.
    """
    inside, pixels = _overlap(memory, top, left, block)
    if inside != (slice(0, block.shape[0]), slice(0, block.shape[1])):
        block[...] = 0
    block[inside] = memory[(*pixels, images)]


def write(block: Array, memory: Array, top: int, left: int, images: slice) -> None:
    """Put block (h, w, n, C) at (top, left); what would lie outside the image is dropped."""
    inside, pixels = _overlap(memory, top, left, block)
    memory[(*pixels, images)] = block[inside]


def add(block: Array, memory: Array, top: int, left: int, images: slice) -> None:
    """Add block (h, w, n, C) at (top, left); what would lie outside the image is dropped."""
    inside, pixels = _overlap(memory, top, left, block)
    memory[(*pixels, images)] += block[inside]


def put(block: Array, memory: Array, top: int, left: int, images: slice, above: int, beside: int) -> None:
    """Put block (h, w, n, C) at (top, left); what would lie outside the image is dropped.

    Its first `above` rows and `beside` columns are added to what earlier blocks put there, the rest is new,
    so the memory need not be filled with zeros first.
    """
    (rows, cols), (to_rows, to_cols) = _overlap(memory, top, left, block)
    row, col = min(max(rows.start, above), rows.stop), min(max(cols.start, beside), cols.stop)
    to_row, to_col = top + row, left + col
    memory[to_row : to_rows.stop, to_col : to_cols.stop, images] = block[row : rows.stop, col : cols.stop]
    if row > rows.start:
        memory[to_rows.start : to_row, to_cols, images] += block[rows.start : row, cols]
    if col > cols.start:
        memory[to_row : to_rows.stop, to_cols.start : to_col, images] += block[
            row : rows.stop, cols.start : col
        ]


def whole(memory: Array, top: int, left: int, rows: int, cols: int, images: slice) -> Array | None:
    """A view (rows, cols, n, C) of the pixels from (top, left) on, if they are inside and contiguous."""
    if top < 0 or left < 0 or top + rows > memory.shape[0] or left + cols > memory.shape[1]:
        return None
    pixels = memory[top : top + rows, left : left + cols, images]
    return pixels if pixels[0, 0].flags.c_contiguous else None


def _overlap(
    memory: Array, top: int, left: int, block: Array
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of the block inside the image, in the block's rows and columns and in the image's."""
    (H, W), (h, w) = memory.shape[:2], block.shape[:2]
    a, b = max(0, -top), max(0, -left)
    c, d = max(a, min(h, H - top)), max(b, min(w, W - left))
    return (slice(a, c), slice(b, d)), (slice(top + a, top + c), slice(left + b, left + d))


def seen(block: Block, window: Window) -> tuple[int, int, int]:
    """Rows, columns and images of what the window sees from a block of positions."""
    height, width = (
        s * (n - 1) + d * (k - 1) + 1
        for s, n, d, k in zip(
            window.stride, (block.rows, block.cols), window.dilation, window.size, strict=True
        )
    )
    return height, width, block.N


def read_seen(images: Array, block: Block, window: Window, scratch: Scratch) -> Array:
    """What the window sees from a block of positions: (h, w, n, C), zeros around the image included."""
    (sh, sw), ((top, _), (left, _)) = window.stride, window.pad
    pixels = scratch("pixels", *seen(block, window), images.shape[3])
    read(images, block.row * sh - top, block.col * sw - left, block.images, pixels)
    return pixels


def add_seen(pixels: Array, images: Array, block: Block, window: Window) -> None:
    """Add a block of pixels where read_seen read it."""
    (sh, sw), ((top, _), (left, _)) = window.stride, window.pad
    add(pixels, images, block.row * sh - top, block.col * sw - left, block.images)


def taps(pixels: Array, block: Block, window: Window) -> Iterator[Array]:
    """For each entry of the window, row by row: a view (rows, cols, ...) of the pixels it meets."""
    (sh, sw), (dh, dw), (HH, WW) = window.stride, window.dilation, window.size
    for i in range(0, HH * dh, dh):
        for j in range(0, WW * dw, dw):
            yield pixels[i : i + sh * (block.rows - 1) + 1 : sh, j : j + sw * (block.cols - 1) + 1 : sw]


def windows(pixels: Array, block: Block, window: Window) -> Array:
    """A view (rows, cols, HH, WW, ...) of the pixels that each position of a block sees."""
    (sh, sw), (dh, dw) = window.stride, window.dilation
    row, col, *others = pixels.strides
    shape = (block.rows, block.cols, *window.size, *pixels.shape[2:])
    return as_strided(pixels, shape, (sh * row, sw * col, dh * row, dw * col, *others), writeable=False)
