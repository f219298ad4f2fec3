"""ReLU and max pooling in reverse order, which is equivalent and leaves ReLU a fraction of the entries.

The largest of max(0, x) is max(0, the largest x), and the same entry wins: where two are equal and not
negative, the first one either way; where none is positive, no gradient gets through.
"""

from typing import NamedTuple

import numpy as np

from minicap.arrays.backends import Array
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.arrays.windows import IntOrPair
from minicap.backend.cpu.order import axis_order, in_order
from minicap.backend.cpu.pooling import max_pool, passes


class ReluMaxPoolCache(NamedTuple):
    positive: Array  # bool (N, C, OH, OW): where the largest value of a window is
    pool: max_pool.MaxPoolCache


def relu_max_pool_forward(
    x: Array,
    size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    pad: IntOrPair = 0,
    ceil_mode: bool = False,
) -> tuple[Array, ReluMaxPoolCache]:
    """out = max(0, the largest value of every window)."""
    largest, cache = max_pool.max_pool_forward(x, size, stride, pad, ceil_mode)
    positive = largest > 0
    return np.maximum(largest, 0, out=largest), ReluMaxPoolCache(positive, cache)


def relu_max_pool_backward(dout: Array, cache: ReluMaxPoolCache) -> Array:
    """The gradient goes to the winner of every window, where it is positive."""
    check_dout(relu_max_pool_backward, cache.positive.shape, dout=dout)
    dlargest = in_order(dout, axis_order(cache.positive)) * cache.positive
    return max_pool.max_pool_backward(dlargest, cache.pool)


OVERRIDES = (
    Override(
        "relu_max_pool", relu_max_pool_forward, passes.supports, ReluMaxPoolCache, relu_max_pool_backward
    ),
)
