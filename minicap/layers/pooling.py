"""Pooling: maximum and average, over windows and over whole images."""

from functools import reduce
from typing import NamedTuple

from minicap.arrays import Array, accelerated
from minicap.arrays.columns import crop_images, pad_images, padded_size, taps
from minicap.arrays.windows import IntOrPair, Window, entries_inside, pair, pooling_window
from minicap.layers.checks import check, check_dout


class MaxPoolCache(NamedTuple):
    x: Array  # (N, C, H, W) input as given
    out: Array  # (N, C, OH, OW)
    window: Window


@accelerated
def max_pool_forward(
    x: Array,
    size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    pad: IntOrPair = 0,
    ceil_mode: bool = False,
) -> tuple[Array, MaxPoolCache]:
    """Largest value of every window:  out[n, c, i, j] = max_{p, q} x[n, c, s i + p - pad, s j + q - pad].

    x: (N, C, H, W).  size, stride (s), pad: an integer or a pair (height, width); stride None means size.
    Windows may overlap; padding never wins (it is minus infinity).  Rows and columns that the stride does not
    reach are left out, unless ceil_mode lets a last window extend past the end.
    Returns out (N, C, OH, OW) and the cache.
    Raises ShapeError when the window is larger than the padded image or pad more than half the window (some
    windows would see padding only), InputError for an option that cannot be used.
    """
    xp = check(max_pool_forward, x=(x, "N C H W"))
    window = pooling_window(max_pool_forward, x.shape[2:], size, stride, pad, ceil_mode)

    out = reduce(xp.maximum, taps(pad_images(x, window, -xp.inf), window))
    return out, MaxPoolCache(x, out, window)


@accelerated
def max_pool_backward(dout: Array, cache: MaxPoolCache) -> Array:
    """Gradient of max_pool_forward.  dout: (N, C, OH, OW).  Returns dx like x.

    The slope is 1 for the winner of a window and 0 for the others.  Among equals the first in
    reading order wins, as in PyTorch.  A pixel that wins in several windows gets the sum.
    """
    x, out, window = cache
    xp = check_dout(max_pool_backward, out.shape, dout=dout)

    dpadded = xp.zeros((*x.shape[:2], *padded_size(window)), dtype=x.dtype)
    undecided = xp.ones(out.shape, dtype=bool)
    for pixels, dpixels in zip(
        taps(pad_images(x, window, -xp.inf), window), taps(dpadded, window), strict=True
    ):
        wins = undecided & (pixels == out)
        dpixels += dout * wins
        undecided &= ~wins
    return crop_images(dpadded, window)


class AvgPoolCache(NamedTuple):
    counts: Array  # (OH, OW) entries that each window is averaged over
    shape: tuple[int, ...]  # of x
    window: Window


@accelerated
def avg_pool_forward(
    x: Array,
    size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    pad: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> tuple[Array, AvgPoolCache]:
    """Mean of every window:  out = (sum over the window) / count.

    x: (N, C, H, W).  size, stride, pad, ceil_mode as in max_pool_forward; padding is zero.
    count_include_pad: count the zeros of the padding (True) or only the pixels of the image (False).  The
    part of a last window in ceil_mode that lies beyond the padding is never counted.
    Returns out (N, C, OH, OW) and the cache.  Raises as max_pool_forward.
    """
    xp = check(avg_pool_forward, x=(x, "N C H W"))
    window = pooling_window(avg_pool_forward, x.shape[2:], size, stride, pad, ceil_mode)
    margin = pair(avg_pool_forward, "pad", pad, least=0) if count_include_pad else (0, 0)

    counts = entries_inside(window, margin, xp).astype(x.dtype)
    return sum(taps(pad_images(x, window), window)) / counts, AvgPoolCache(counts, x.shape, window)


@accelerated
def avg_pool_backward(dout: Array, cache: AvgPoolCache) -> Array:
    """Gradient of avg_pool_forward.  dout: (N, C, OH, OW).  Returns dx (N, C, H, W).

    Every pixel gets the same share, dout / count, from each window it is in.
    """
    counts, (N, C, _, _), window = cache
    xp = check_dout(avg_pool_backward, (N, C, *window.out), dout=dout)

    share = dout / counts
    dpadded = xp.zeros((N, C, *padded_size(window)), dtype=dout.dtype)
    for dpixels in taps(dpadded, window):
        dpixels += share
    return crop_images(dpadded, window)


class GlobalAvgPoolCache(NamedTuple):
    shape: tuple[int, ...]  # of x


@accelerated
def global_avg_pool_forward(x: Array) -> tuple[Array, GlobalAvgPoolCache]:
    """Mean of every channel:  out[n, c] = sum_{i, j} x[n, c, i, j] / (H W).

    x: (N, C, H, W).  Returns out (N, C) and the cache.  Source: Lin et al. 2014, "Network In Network", 3.2.
    """
    check(global_avg_pool_forward, x=(x, "N C H W"))

    return x.mean(axis=(2, 3)), GlobalAvgPoolCache(x.shape)


@accelerated
def global_avg_pool_backward(dout: Array, cache: GlobalAvgPoolCache) -> Array:
    """Gradient of global_avg_pool_forward.  dout: (N, C).  Every pixel gets the share dout / (H W)."""
    N, C, H, W = cache.shape
    xp = check_dout(global_avg_pool_backward, (N, C), dout=dout)

    return xp.broadcast_to(dout[:, :, None, None] / (H * W), cache.shape).copy()


class GlobalMaxPoolCache(NamedTuple):
    winner: Array  # (N, C) flat position of the maximum in its channel
    shape: tuple[int, ...]  # of x


@accelerated
def global_max_pool_forward(x: Array) -> tuple[Array, GlobalMaxPoolCache]:
    """Largest value of every channel:  out[n, c] = max_{i, j} x[n, c, i, j].

    x: (N, C, H, W).  Returns out (N, C) and the cache.
    """
    check(global_max_pool_forward, x=(x, "N C H W"))

    flat = x.reshape(*x.shape[:2], -1)
    return flat.max(axis=2), GlobalMaxPoolCache(flat.argmax(axis=2), x.shape)


@accelerated
def global_max_pool_backward(dout: Array, cache: GlobalMaxPoolCache) -> Array:
    """Gradient of global_max_pool_forward.  dout: (N, C).  The first maximum of a channel gets all of it."""
    N, C, H, W = cache.shape
    xp = check_dout(global_max_pool_backward, (N, C), dout=dout)

    wins = xp.arange(H * W) == cache.winner[:, :, None]
    return (dout[:, :, None] * wins).reshape(cache.shape)
