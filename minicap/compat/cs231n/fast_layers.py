"""The fast convolution and pooling of CS231n: the same layers, with whatever faster pair the backend has.

The course's three ways (strides, im2col, reshape) are one here, so their names are aliases.
"""

from typing import Any

from minicap import layers
from minicap.arrays import Array
from minicap.compat.cs231n.layers import Param, conv_options, pool_options, promote

__all__ = [
    "conv_backward_fast",
    "conv_backward_im2col",
    "conv_backward_strides",
    "conv_forward_fast",
    "conv_forward_im2col",
    "conv_forward_strides",
    "max_pool_backward_fast",
    "max_pool_backward_im2col",
    "max_pool_backward_reshape",
    "max_pool_forward_fast",
    "max_pool_forward_im2col",
    "max_pool_forward_reshape",
]


def conv_forward_fast(x: Array, w: Array, b: Array, conv_param: Param) -> tuple[Array, Any]:
    """As conv_forward_naive."""
    x, w, b = promote(x, w, b)
    return layers.conv_forward(x, w, b, **conv_options(conv_param))


def max_pool_forward_fast(x: Array, pool_param: Param) -> tuple[Array, Any]:
    """As max_pool_forward_naive."""
    (x,) = promote(x)
    return layers.max_pool_forward(x, **pool_options(pool_param))


conv_backward_fast = layers.conv_backward
max_pool_backward_fast = layers.max_pool_backward

conv_forward_im2col = conv_forward_strides = conv_forward_fast
conv_backward_im2col = conv_backward_strides = conv_backward_fast
max_pool_forward_im2col = max_pool_forward_reshape = max_pool_forward_fast
max_pool_backward_im2col = max_pool_backward_reshape = max_pool_backward_fast
