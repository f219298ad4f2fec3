"""Depthwise convolution: every channel has its own filters and sees no other channel.

There is no sum over channels, so no matrix product: einsum multiplies and adds in one pass, over long rows of
images and channels together, a block at a time.
"""

from collections.abc import Iterator

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.windows import Window
from minicap.backend.cpu.conv.blocks import Block, add_seen, blocks, read, read_seen, taps, windows, write
from minicap.backend.cpu.order import Scratch, as_hwnc

BLOCK_BYTES = 1 << 18  # outputs of a block


def convolve(x: Array, w: Array, b: Array | None, out: Array, window: Window) -> None:
    """Fill out (N, C*M, OH, OW) from x (N, C, H, W) and w (C*M, 1, HH, WW), M filters per channel."""
    images, outputs, scratch = as_hwnc(x), as_hwnc(out), Scratch(x.dtype)
    C = images.shape[3]
    M = len(w) // C
    for block in _blocks(window, images.shape, x.itemsize):
        seen = windows(_long(read_seen(images, block, window, scratch)), block, window)
        Y = scratch("Y", block.rows, block.cols, block.N * C)
        for k in range(M):
            np.einsum("hwijf,ijf->hwf", seen, _factors(w[k::M], block), out=Y)
            if b is not None:
                Y += np.tile(b[k::M], block.N)
            write(Y.reshape(*Y.shape[:2], -1, C), outputs[..., k::M], block.row, block.col, block.images)


def gradients(dout: Array, x: Array, w: Array, dx: Array, window: Window) -> tuple[Array, Array]:
    """Fill dx; return dw (C*M, 1, HH, WW) and db (C*M,)."""
    images, douts, dimages, scratch = as_hwnc(x), as_hwnc(dout), as_hwnc(dx), Scratch(x.dtype)
    C = images.shape[3]
    M = len(w) // C
    dw, db = np.zeros(w.shape, x.dtype), np.zeros(len(w), x.dtype)
    dimages[...] = 0
    for block in _blocks(window, images.shape, x.itemsize):
        pixels = read_seen(images, block, window, scratch)
        seen = windows(_long(pixels), block, window)
        dpixels = scratch("dpixels", *pixels.shape)
        dpixels[...] = 0
        dY = scratch("Y", block.rows, block.cols, block.N, C)
        product = scratch("product", block.rows, block.cols, block.N * C)
        for k in range(M):
            read(douts[..., k::M], block.row, block.col, block.images, dY)
            db[k::M] += dY.sum(axis=(0, 1, 2))
            dfactors = np.einsum("hwijf,hwf->ijf", seen, _long(dY))
            dw[k::M, 0] += dfactors.reshape(*window.size, block.N, C).sum(axis=2).transpose(2, 0, 1)
            factors = _factors(w[k::M], block).reshape(-1, block.N * C)
            for dseen, factor in zip(taps(_long(dpixels), block, window), factors, strict=True):
                np.multiply(_long(dY), factor, out=product)
                dseen += product
        add_seen(dpixels, dimages, block, window)
    return dw, db


def _long(pixels: Array) -> Array:
    """Images and channels as one axis: (..., n*C)."""
    return pixels.reshape(*pixels.shape[:-2], -1)


def _factors(w: Array, block: Block) -> Array:
    """The factors of all channels, again for every image: (HH, WW, n*C)."""
    return np.tile(np.ascontiguousarray(w[:, 0].transpose(1, 2, 0)), block.N)


def _blocks(window: Window, shape: tuple[int, ...], itemsize: int) -> Iterator[Block]:
    N, C = shape[2:]
    OH, OW = window.out
    positions = max(1, BLOCK_BYTES // (C * itemsize))
    images = min(N, max(1, positions // OW))
    return blocks(OH, OW, N, (min(OH, max(1, positions // (OW * images))), OW, images))
