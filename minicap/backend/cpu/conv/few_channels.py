"""Convolution of images with few channels, as in the first layer of a network.

With one or three channels the rows of columns.py would be runs of one or three numbers.  Here the pixels are
laid out as (C, H, phase, W, N), one phase for every remainder of the column by the stride, so that what an
entry of the window sees along an output row is one contiguous run of OW * N numbers.  The columns of a row
are (C*HH*WW + 1, OW * N): a line of ones at the end carries the bias, and in the backward pass its gradient.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.windows import Window
from minicap.backend.cpu import gemm
from minicap.backend.cpu.conv.blocks import Block, blocks
from minicap.backend.cpu.order import Scratch, as_hwnc

BLOCK_BYTES = 1 << 21  # columns and outputs of a block
MOST_CHANNELS = 8
APART = 16  # entries between lines of columns: lines 4096 bytes apart would share a few cache lines


class _Phases(NamedTuple):
    """Padded pixels (C, H, phase, W, N): column j of the image is at phase j % s, place j // s."""

    pixels: Array
    window: Window

    def seen_by(self, q: int, block: Block) -> Array:
        """What column q of the window sees from a block of positions: (C, HH, rows, cols, N), a view."""
        (sh, sw), (dh, dw) = self.window.stride, self.window.dilation
        place, phase = divmod(q * dw, sw)
        row, col = block.row * sh, block.col + place
        C, _, _, _, N = self.pixels.shape
        c, h, p, w, n = self.pixels.strides
        shape = (C, self.window.size[0], block.rows, block.cols, N)
        start = row * h + phase * p + col * w
        return np.ndarray(shape, self.pixels.dtype, self.pixels, start, (c, h * dh, h * sh, w, n))


def convolve(x: Array, w: Array, b: Array | None, out: Array, window: Window) -> None:
    """Fill out (N, F, OH, OW) from x (N, C, H, W) and w (F, C, HH, WW); any memory orders."""
    outputs, scratch = as_hwnc(out), Scratch(x.dtype)
    F = len(w)
    filters = np.zeros((w[0].size + 1, F), x.dtype)
    filters[:-1] = w.reshape(F, -1).T
    if b is not None:
        filters[-1] = b
    for some, phases in _few_images(x, window):
        for block in _blocks(window, some, filters, x.itemsize):
            columns = _columns(phases, block, scratch)
            target = _positions(outputs, block, some)
            in_place = target[0].flags.c_contiguous
            Y = target if in_place else scratch("Y", *target.shape)
            np.matmul(columns.swapaxes(1, 2), filters, out=Y.reshape(block.rows, -1, F))
            if not in_place:
                target[...] = Y


def gradients(dout: Array, x: Array, w: Array, dx: Array | None, window: Window) -> tuple[Array, Array]:
    """Fill dx, when there is one; return dw (F, C, HH, WW) and db (F,)."""
    douts, scratch = as_hwnc(dout), Scratch(x.dtype)
    F, C, HH, WW = w.shape
    filters = w.reshape(F, -1).T
    dfilters = np.zeros((w[0].size + 1, F), x.dtype)
    for some, phases in _few_images(x, window):
        dphases = _Phases(np.zeros_like(phases.pixels), window)
        for block in _blocks(window, some, dfilters, x.itemsize):
            dY = _positions(douts, block, some).reshape(block.rows, -1, F)
            columns = _columns(phases, block, scratch)
            dfilters += np.matmul(columns, dY).sum(axis=0)
            if dx is None:
                continue
            dcolumns = columns[:, :-1]  # overwrites the columns, which are no longer needed
            np.matmul(filters, dY.swapaxes(1, 2), out=dcolumns)
            taps = dcolumns.reshape(block.rows, C, HH, WW, block.cols, block.N)
            for q in range(WW):
                _add_overlapping(taps[:, :, :, q], dphases.seen_by(q, block))
        if dx is not None:
            _leave_phases(dphases, dx[some])
    return dfilters[:-1].T.reshape(w.shape), dfilters[-1]


def _add_overlapping(columns: Array, seen: Array) -> None:
    """Add (rows, C, HH, cols, N), one row of the window at a time: what one row sees does not overlap."""
    for p in range(columns.shape[2]):
        pixels = seen[:, p].transpose(1, 0, 2, 3)
        pixels += columns[:, :, p]


def _columns(phases: _Phases, block: Block, scratch: Scratch) -> Array:
    """What the window sees from a block of positions: (rows, C*HH*WW + 1, cols*N), the last line all ones."""
    C, N = phases.pixels.shape[0], phases.pixels.shape[-1]
    HH, WW = phases.window.size
    length = block.cols * N
    columns = scratch("columns", block.rows, C * HH * WW + 1, length + APART)[:, :, :length]
    taps = columns[:, :-1].reshape(block.rows, C, HH, WW, block.cols, N)
    for q in range(WW):
        taps[:, :, :, q] = phases.seen_by(q, block).transpose(2, 0, 1, 3, 4)
    columns[:, -1] = 1
    return columns


def _positions(memory: Array, block: Block, some: slice) -> Array:
    """A block of positions of (H, W, N, F): a view."""
    rows, cols = slice(block.row, block.row + block.rows), slice(block.col, block.col + block.cols)
    return memory[rows, cols, some]


def _few_images(x: Array, window: Window) -> Iterator[tuple[slice, _Phases]]:
    """The images in phases, enough of them at a time for long runs."""
    images = max(1, min(len(x), 4096 // window.out[1]))
    for start in range(0, len(x), images):
        some = slice(start, min(len(x), start + images))
        yield some, _in_phases(x[some], window)


def _in_phases(x: Array, window: Window) -> _Phases:
    N, C, H, W = x.shape
    s = window.stride[1]
    (top, bottom), (left, right) = window.pad
    pixels = np.zeros((C, top + H + bottom, s, -(-(left + W + right) // s), N), x.dtype)
    phases = _Phases(pixels, window)
    for part, image in _parts(phases, x):
        part[...] = image
    return phases


def _leave_phases(phases: _Phases, x: Array) -> None:
    for part, image in _parts(phases, x):
        image[...] = part


def _parts(phases: _Phases, x: Array) -> Iterator[tuple[Array, Array]]:
    """The pixels of each phase, as they lie there and as they lie in the images: (C, H, W', N) both."""
    H = x.shape[2]
    s = phases.window.stride[1]
    (top, _), (left, _) = phases.window.pad
    for phase in range(s):
        first = (phase - left) % s
        place = (left + first) // s
        image = x[:, :, :, first::s].transpose(1, 2, 3, 0)
        yield phases.pixels[:, top : top + H, phase, place : place + image.shape[2]], image


def _blocks(window: Window, some: slice, filters: Array, itemsize: int) -> Iterator[Block]:
    """Blocks of a few rows; each row's part is as long as BLAS can multiply without packing."""
    (OH, OW), images = window.out, some.stop - some.start
    cols = min(OW, max(1, gemm.SMALL_PRODUCT // filters.size // images))
    rows = BLOCK_BYTES // (sum(filters.shape) * itemsize * cols * images)
    return blocks(OH, OW, images, (min(OH, max(1, rows)), cols, images))
