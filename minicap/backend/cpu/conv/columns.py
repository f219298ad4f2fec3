"""Convolution as a matrix product over columns, a block of positions at a time: any window, stride, dilation.

A row of the matrix is what the window sees at one position, (HH, WW, C), so that with the filters as
(HH*WW*C, F) the product lies as the output does, (H, W, N, F).  The matrix of a whole batch would be HH*WW
times the input; that of a block stays in cache.
"""

from collections.abc import Iterator

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.windows import Window
from minicap.backend.cpu import gemm
from minicap.backend.cpu.conv.blocks import Block, add_seen, blocks, read, read_seen, seen, taps, write
from minicap.backend.cpu.order import Scratch, as_hwnc

BLOCK_BYTES = 2 << 20  # columns of a block
FEWEST_POSITIONS = 512  # of a block: fewer do not make up for loading the filters


def convolve(x: Array, w: Array, b: Array | None, out: Array, window: Window) -> None:
    """Fill out (N, F, OH, OW) from x (N, C, H, W) and w (F, C, HH, WW); any memory orders."""
    images, outputs, scratch = as_hwnc(x), as_hwnc(out), Scratch(x.dtype)
    F = len(w)
    filters = np.ascontiguousarray(w.transpose(0, 2, 3, 1)).reshape(F, -1).T
    for block in _blocks(window, images.shape, F, x.itemsize):
        columns = _columns(read_seen(images, block, window, scratch), block, window, scratch)
        Y = scratch("Y", block.rows, block.cols, block.N, F)
        gemm.times(columns.reshape(-1, len(filters)), filters, Y.reshape(-1, F))
        if b is not None:
            Y += b
        write(Y, outputs, block.row, block.col, block.images)


def gradients(dout: Array, x: Array, w: Array, dx: Array | None, window: Window) -> tuple[Array, Array]:
    """Fill dx, when there is one; return dw (F, C, HH, WW) and db (F,).

    As in the textbook,  dfilters = dout^T columns  and  dcolumns = dout filters.
    """
    images, douts, scratch = as_hwnc(x), as_hwnc(dout), Scratch(x.dtype)
    F, C, HH, WW = w.shape
    dfilters, db = np.zeros((F, HH * WW * C), x.dtype), np.zeros(F, x.dtype)
    if dx is not None:
        dimages, by_tap = as_hwnc(dx), _by_tap(w)
        dimages[...] = 0
    for block in _blocks(window, images.shape, F, x.itemsize):
        dY = scratch("Y", block.rows, block.cols, block.N, F)
        read(douts, block.row, block.col, block.images, dY)
        flat = dY.reshape(-1, F)
        db += np.ones(len(flat), x.dtype) @ flat
        columns = _columns(read_seen(images, block, window, scratch), block, window, scratch)
        columns = columns.reshape(len(flat), -1)
        dfilters += np.matmul(flat.T, columns, out=scratch("dfilters", *dfilters.shape))
        if dx is not None:  # in the memory of columns and pixels, which are no longer needed
            _add_columns(flat, by_tap, dimages, block, window, scratch)
    return dfilters.reshape(F, HH, WW, C).transpose(0, 3, 1, 2), db


def input_gradient(dout: Array, w: Array, dx: Array, window: Window) -> None:
    """Fill dx alone: what `gradients` does without x."""
    douts, dimages, scratch, by_tap = as_hwnc(dout), as_hwnc(dx), Scratch(dx.dtype), _by_tap(w)
    F = len(w)
    dimages[...] = 0
    for block in _blocks(window, dimages.shape, F, dx.itemsize):
        dY = scratch("Y", block.rows, block.cols, block.N, F)
        read(douts, block.row, block.col, block.images, dY)
        _add_columns(dY.reshape(-1, F), by_tap, dimages, block, window, scratch)


def _by_tap(w: Array) -> Array:
    """The filters by the entry of the window, (HH*WW, F, C)."""
    F, C, HH, WW = w.shape
    return np.ascontiguousarray(w.transpose(2, 3, 0, 1)).reshape(HH * WW, F, C)


def _add_columns(
    dY: Array, by_tap: Array, dimages: Array, block: Block, window: Window, scratch: Scratch
) -> None:
    """Add  dcolumns = dY filters  to the pixels that the block's columns came from.  dY: (positions, F).

    One product per entry of the window: its part of dcolumns is contiguous and quickly added.
    """
    C = by_tap.shape[2]
    dcolumns = np.matmul(dY, by_tap, out=scratch("columns", len(by_tap), len(dY), C))
    pixels = scratch("pixels", *seen(block, window), C)
    pixels[...] = 0
    for tap, dcolumn in zip(taps(pixels, block, window), dcolumns, strict=True):
        tap += dcolumn.reshape(tap.shape)
    add_seen(pixels, dimages, block, window)


def _columns(pixels: Array, block: Block, window: Window, scratch: Scratch) -> Array:
    """What the window sees at each position of the block: (rows, cols, n, HH, WW, C)."""
    (sh, sw), (dh, dw), (HH, WW) = window.stride, window.dilation, window.size
    h, w, n, c = pixels.strides
    shape = (block.rows, block.cols, block.N, HH, WW, pixels.shape[3])
    strides = (h * sh, w * sw, n, h * dh, w * dw, c)
    columns = scratch("columns", *shape)
    columns[...] = np.ndarray(shape, pixels.dtype, pixels, strides=strides)
    return columns


def _blocks(window: Window, shape: tuple[int, ...], F: int, itemsize: int) -> Iterator[Block]:
    N, C = shape[2:]
    (HH, WW), (OH, OW) = window.size, window.out
    positions = max(FEWEST_POSITIONS, BLOCK_BYTES // (HH * WW * C * itemsize))
    cols = min(OW, max(1, positions // N))
    rows = min(OH, max(1, positions // (N * cols)))
    return blocks(OH, OW, N, (rows, cols, min(N, positions)))
