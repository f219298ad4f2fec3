"""Depthwise convolution: every channel has its own filters and sees no other channel.

There is no sum over channels, so no matrix product: for each entry of the window, one multiply and one add
over long rows of images and channels together, a block at a time.
"""

from collections.abc import Iterator

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.windows import Window
from minicap.backend.cpu.conv.blocks import Block, add_seen, blocks, read, read_seen, taps, write
from minicap.backend.cpu.order import Scratch, as_hwnc

BLOCK_BYTES = 1 << 18  # outputs of a block


def convolve(x: Array, w: Array, b: Array | None, out: Array, window: Window) -> None:
    """Fill out (N, C*M, OH, OW) from x (N, C, H, W) and w (C*M, 1, HH, WW), M filters per channel."""
    images, outputs, scratch = as_hwnc(x), as_hwnc(out), Scratch(x.dtype)
    C = images.shape[3]
    M = len(w) // C
    for block in _blocks(window, images.shape, x.itemsize):
        pixels = _long(read_seen(images, block, window, scratch))
        Y = scratch("Y", block.rows, block.cols, block.N * C)
        product = scratch("product", *Y.shape)
        for k in range(M):
            Y[...] = 0 if b is None else np.tile(b[k::M], block.N)
            for seen, factors in zip(taps(pixels, block, window), _factors(w[k::M], block), strict=True):
                np.multiply(seen, factors, out=product)
                np.add(Y, product, out=Y)
            write(Y.reshape(*Y.shape[:2], -1, C), outputs[..., k::M], block.row, block.col, block.images)


def gradients(dout: Array, x: Array, w: Array, dx: Array, window: Window) -> tuple[Array, Array]:
    """Fill dx; return dw (C*M, 1, HH, WW) and db (C*M,)."""
    images, douts, dimages, scratch = as_hwnc(x), as_hwnc(dout), as_hwnc(dx), Scratch(x.dtype)
    C = images.shape[3]
    M = len(w) // C
    dw, db = np.zeros(w.shape, x.dtype), np.zeros(len(w), x.dtype)
    by_tap = dw.reshape(len(w), -1)
    dimages[...] = 0
    for block in _blocks(window, images.shape, x.itemsize):
        pixels = read_seen(images, block, window, scratch)
        dpixels = scratch("dpixels", *pixels.shape)
        dpixels[...] = 0
        dY = scratch("Y", block.rows, block.cols, block.N, C)
        product = scratch("product", block.rows, block.cols, block.N * C)
        ones = np.ones(dY.size // C, x.dtype)
        for k in range(M):
            read(douts[..., k::M], block.row, block.col, block.images, dY)
            db[k::M] += ones @ dY.reshape(-1, C)
            seen_by = taps(_long(pixels), block, window)
            dseen_by = taps(_long(dpixels), block, window)
            for tap, factors in enumerate(_factors(w[k::M], block)):
                np.multiply(_long(dY), next(seen_by), out=product)
                by_tap[k::M, tap] += ones @ product.reshape(-1, C)
                np.multiply(_long(dY), factors, out=product)
                dseen = next(dseen_by)
                dseen += product
        add_seen(dpixels, dimages, block, window)
    return dw, db


def _long(pixels: Array) -> Array:
    """Images and channels as one axis: (..., n*C)."""
    return pixels.reshape(*pixels.shape[:-2], -1)


def _factors(w: Array, block: Block) -> Iterator[Array]:
    """For each entry of the window: the factors of all channels, again for every image (n*C,)."""
    for factors in w.reshape(len(w), -1).T:
        yield np.tile(factors, block.N)


def _blocks(window: Window, shape: tuple[int, ...], itemsize: int) -> Iterator[Block]:
    N, C = shape[2:]
    OH, OW = window.out
    positions = max(1, BLOCK_BYTES // (C * itemsize))
    images = min(N, max(1, positions // OW))
    return blocks(OH, OW, N, (min(OH, max(1, positions // (OW * images))), OW, images))
