"""Dropout by element, by channel and by sequence.  All three hide part of x and scale up the rest.

The bits are a pure function of the stream and of a sample's row (minicap.arrays.random), so that they are
the same on every backend, and for a whole batch or one cut into shards.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array, accelerated, backend_of
from minicap.arrays.random import RandomStream, as_stream, random_keep
from minicap.errors import InputError
from minicap.layers.checks import check, check_dout, number

Rng = RandomStream | np.random.Generator | int


class DropoutCache(NamedTuple):
    shape: tuple[int, ...]  # of the input
    keep: Array | None  # bool, broadcasts to the input: True where kept; None when nothing was dropped
    scale: float  # 1 / (1 - rate)


@accelerated
def dropout_forward(
    x: Array, rate: float, train: bool = True, rng: Rng | None = None
) -> tuple[Array, DropoutCache]:
    """Set entries to zero at random and scale up the rest:  out = x * keep / (1 - rate).

    x: (N, ...).  rate: the probability of DROPPING an entry, in [0, 1).
    With train=False, or rate 0, out is x itself.
    rng: an integer seed, a numpy Generator (which advances by one draw) or a RandomStream (row = first sample
    of a shard).  Each entry of a sample has 16 bits of its own and is kept where these are
    >= round(rate * 65536).
    Returns out like x and the cache.  Raises InputError for a rate outside [0, 1), or no rng while training.
    Source: Srivastava et al. 2014, section 4, in the inverted form: the scale is applied in training.
    """
    check(dropout_forward, x=(x, "N ..."))

    keep, scale = _draw(dropout_forward, x, x.shape, rate, train, rng)
    return _hide(x, keep, scale), DropoutCache(x.shape, keep, scale)


@accelerated
def dropout_backward(dout: Array, cache: DropoutCache) -> Array:
    """Gradient of dropout_forward:  dx = dout * keep / (1 - rate)."""
    check_dout(dropout_backward, cache.shape, dout=dout)

    return _hide(dout, cache.keep, cache.scale)


@accelerated
def spatial_dropout_forward(
    x: Array, rate: float, train: bool = True, rng: Rng | None = None
) -> tuple[Array, DropoutCache]:
    """Drop whole channels:  out[n, c] = x[n, c] * keep[n, c] / (1 - rate), one draw for a map of H x W.

    x: (N, C, H, W).  rate, train, rng, Raises: as dropout_forward.  Returns out like x and the cache.
    Source: Tompson et al. 2015, section 3.2 (neighbours in a map are alike, so dropping one hides nothing).
    """
    check(spatial_dropout_forward, x=(x, "N C H W"))

    keep, scale = _draw(spatial_dropout_forward, x, (*x.shape[:2], 1, 1), rate, train, rng)
    return _hide(x, keep, scale), DropoutCache(x.shape, keep, scale)


@accelerated
def spatial_dropout_backward(dout: Array, cache: DropoutCache) -> Array:
    """Gradient of spatial_dropout_forward:  dx = dout * keep / (1 - rate)."""
    check_dout(spatial_dropout_backward, cache.shape, dout=dout)

    return _hide(dout, cache.keep, cache.scale)


@accelerated
def recurrent_dropout_forward(
    x: Array, rate: float, train: bool = True, rng: Rng | None = None
) -> tuple[Array, DropoutCache]:
    """Drop the same features at every step:  out[n, t, d] = x[n, t, d] * keep[n, d] / (1 - rate).

    x: (N, T, D), the inputs of a recurrent layer.  rate, train, rng, Raises: as dropout_forward.
    Returns out like x and the cache.
    Source: Gal & Ghahramani 2016, "A theoretically grounded application of dropout in RNNs", section 4.
    """
    check(recurrent_dropout_forward, x=(x, "N T D"))

    keep, scale = _draw(recurrent_dropout_forward, x, (len(x), 1, x.shape[2]), rate, train, rng)
    return _hide(x, keep, scale), DropoutCache(x.shape, keep, scale)


@accelerated
def recurrent_dropout_backward(dout: Array, cache: DropoutCache) -> Array:
    """Gradient of recurrent_dropout_forward:  dx = dout * keep / (1 - rate)."""
    check_dout(recurrent_dropout_backward, cache.shape, dout=dout)

    return _hide(dout, cache.keep, cache.scale)


def _draw(
    function: Callable[..., Any],
    x: Array,
    shape: tuple[int, ...],
    rate: float,
    train: bool,
    rng: Rng | None,
) -> tuple[Array | None, float]:
    """Which entries of this shape to keep (None: all), and the scale for those."""
    rate = number(function, "rate", rate)
    if not 0 <= rate < 1:
        raise InputError(
            f"{function.__name__}: rate is {rate} but must lie in [0, 1); it is the probability of dropping"
        )
    if not train or rate == 0:
        return None, 1.0
    if rng is None:
        raise InputError(
            f"{function.__name__}: rng is missing; pass a numpy Generator, a RandomStream or an integer seed"
        )
    return random_keep(as_stream(rng), shape, rate, backend_of(x=x)), 1 / (1 - rate)


def _hide(x: Array, keep: Array | None, scale: float) -> Array:
    return x if keep is None else x * keep * scale
