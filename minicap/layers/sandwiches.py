"""Layers that often follow one another, as one pair, which a backend may run in one go.

CS231n calls them sandwiches.  Each runs its layers in turn, and its backward theirs in reverse.
"""

from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated
from minicap.arrays.windows import IntOrPair, Padding
from minicap.layers.activations import relu_backward, relu_forward
from minicap.layers.affine import affine_backward, affine_forward
from minicap.layers.conv import conv_backward, conv_forward
from minicap.layers.dropout import Rng, dropout_backward, dropout_forward
from minicap.layers.pooling import max_pool_backward, max_pool_forward


class ConvReluCache(NamedTuple):
    conv: Any  # of conv_forward
    relu: Any  # of relu_forward


@accelerated
def conv_relu_forward(
    x: Array,
    w: Array,
    b: Array | None,
    stride: IntOrPair = 1,
    pad: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> tuple[Array, ConvReluCache]:
    """Convolution, then ReLU:  out = max(0, conv(x, w) + b).

    x: (N, C, H, W).  w: (F, C/groups, HH, WW).  b: (F,) or None.  Options as in conv_forward.
    Returns out (N, F, OH, OW) and the cache.  Raises what conv_forward raises.
    """
    a, conv_cache = conv_forward(x, w, b, stride, pad, dilation, groups)
    out, relu_cache = relu_forward(a)
    return out, ConvReluCache(conv_cache, relu_cache)


@accelerated
def conv_relu_backward(dout: Array, cache: ConvReluCache, input_gradient: bool = True) -> tuple[Any, ...]:
    """Gradients of conv_relu_forward.  dout: (N, F, OH, OW).  Returns what conv_backward returns."""
    return conv_backward(relu_backward(dout, cache.relu), cache.conv, input_gradient)


class AffineReluDropoutCache(NamedTuple):
    affine: Any  # of affine_forward
    relu: Any  # of relu_forward
    dropout: Any  # of dropout_forward


@accelerated
def affine_relu_dropout_forward(
    x: Array, w: Array, b: Array, rate: float = 0.0, train: bool = True, rng: Rng | None = None
) -> tuple[Array, AffineReluDropoutCache]:
    """Affine layer, ReLU, dropout:  out = max(0, x w + b) * keep / (1 - rate).

    x: (N, d1, ..., dk), flattened to (N, D).  w: (D, M).  b: (M,).  rate, train, rng: as in dropout_forward;
    rate 0 is the affine layer with ReLU alone.
    Returns out (N, M) and the cache.  Raises what affine_forward and dropout_forward raise.
    """
    a, affine_cache = affine_forward(x, w, b)
    a, relu_cache = relu_forward(a)
    out, dropout_cache = dropout_forward(a, rate, train, rng)
    return out, AffineReluDropoutCache(affine_cache, relu_cache, dropout_cache)


@accelerated
def affine_relu_dropout_backward(
    dout: Array, cache: AffineReluDropoutCache, input_gradient: bool = True
) -> tuple[Any, Array, Array]:
    """Gradients of affine_relu_dropout_forward.  dout: (N, M).  Returns what affine_backward returns."""
    da = relu_backward(dropout_backward(dout, cache.dropout), cache.relu)
    return affine_backward(da, cache.affine, input_gradient)


class ReluMaxPoolCache(NamedTuple):
    relu: Any  # of relu_forward
    pool: Any  # of max_pool_forward


@accelerated
def relu_max_pool_forward(
    x: Array,
    size: IntOrPair = 2,
    stride: IntOrPair | None = None,
    pad: IntOrPair = 0,
    ceil_mode: bool = False,
) -> tuple[Array, ReluMaxPoolCache]:
    """ReLU, then the largest value of every window.

    x: (N, C, H, W).  Options as in max_pool_forward.
    Returns out (N, C, OH, OW) and the cache.  Raises what max_pool_forward raises.
    """
    a, relu_cache = relu_forward(x)
    out, pool_cache = max_pool_forward(a, size, stride, pad, ceil_mode)
    return out, ReluMaxPoolCache(relu_cache, pool_cache)


@accelerated
def relu_max_pool_backward(dout: Array, cache: ReluMaxPoolCache) -> Array:
    """Gradient of relu_max_pool_forward.  dout: (N, C, OH, OW).  Returns dx like x."""
    return relu_backward(max_pool_backward(dout, cache.pool), cache.relu)
