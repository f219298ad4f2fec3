"""Average pooling, over windows and over whole images."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.arrays.windows import IntOrPair, Window, entries_inside, pair, pooling_window
from minicap.backend.cpu.order import as_hwnc, axis_order, empty_images, empty_in_order, is_hwnc
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
from minicap.backend.cpu.threads import PRODUCTS_AN_ENTRY, in_parts


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
        pixels, mean = read(x, block, window, 0), out[block.windows]
        columns = empty_in_order((*mean.shape[:3], pixels.shape[3]), order, x.dtype)
        _total(taps(pixels, ROWS, window, mean.shape[2]), columns)
        _total(taps(columns, COLUMNS, window, OW), mean)
        mean /= counts[block.windows[2]]

    each_block(fill, x, window)
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

    return hand_back(dout / counts, shape, order, window, to_all)


def _total(taps: Sequence[Array], out: Array) -> None:
    """Fill out with the sum of the taps."""
    total, *later = taps
    for tap in later:
        total = np.add(total, tap, out=out)
    if not later:
        out[...] = total


class GlobalAvgPoolCache(NamedTuple):
    shape: tuple[int, ...]  # of x


def supports_global(x: Array) -> bool:
    """Whether images lie in H, W, N, C memory; for others the textbook's sum already runs along memory."""
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


AVG_POOL = Override("avg_pool", avg_pool_forward, supports, AvgPoolCache, avg_pool_backward)
GLOBAL_AVG_POOL = Override(
    "global_avg_pool",
    global_avg_pool_forward,
    supports_global,
    GlobalAvgPoolCache,
    global_avg_pool_backward,
)
