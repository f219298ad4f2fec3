"""The layers of CS231n's assignments 1 and 2 in that course's call forms.

Options come in dictionaries (conv_param, bn_param, ...) and float dtypes may be mixed, as NumPy allows; the
work is done by minicap.layers.  A `*_naive` forward runs the textbook body even where a faster one exists.
"""

from typing import Any

import numpy as np

from minicap import layers
from minicap.arrays import Array, backend_of, textbook
from minicap.errors import InputError
from minicap.layers import (
    affine_backward,
    batchnorm_backward,
    dropout_backward,
    layernorm_backward,
    relu_backward,
    relu_forward,
    softmax_loss,
    spatial_batchnorm_backward,
    svm_loss,
)

__all__ = [
    "affine_backward",
    "affine_forward",
    "batchnorm_backward",
    "batchnorm_backward_alt",
    "batchnorm_forward",
    "conv_backward_naive",
    "conv_forward_naive",
    "dropout_backward",
    "dropout_forward",
    "layernorm_backward",
    "layernorm_forward",
    "max_pool_backward_naive",
    "max_pool_forward_naive",
    "relu_backward",
    "relu_forward",
    "softmax_loss",
    "spatial_batchnorm_backward",
    "spatial_batchnorm_forward",
    "spatial_groupnorm_backward",
    "spatial_groupnorm_forward",
    "svm_loss",
]

Param = dict[str, Any]


def affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    """x: (N, d1, ..., dk).  w: (D, M).  b: (M,).  Returns out (N, M) and the cache."""
    x, w, b = promote(x, w, b)
    return layers.affine_forward(x, w, b)


def conv_forward_naive(x: Array, w: Array, b: Array, conv_param: Param) -> tuple[Array, Any]:
    """x: (N, C, H, W).  w: (F, C, HH, WW).  b: (F,).  conv_param: {"stride", "pad"}.

    Returns out (N, F, OH, OW) and the cache.  Rows that the stride does not reach are left out.
    """
    x, w, b = promote(x, w, b)
    with textbook():
        return layers.conv_forward(x, w, b, **conv_options(conv_param))


conv_backward_naive = layers.conv_backward


def max_pool_forward_naive(x: Array, pool_param: Param) -> tuple[Array, Any]:
    """x: (N, C, H, W).  pool_param: {"pool_height", "pool_width", "stride"}.  Returns out and the cache."""
    (x,) = promote(x)
    with textbook():
        return layers.max_pool_forward(x, **pool_options(pool_param))


max_pool_backward_naive = layers.max_pool_backward


def batchnorm_forward(x: Array, gamma: Array, beta: Array, bn_param: Param) -> tuple[Array, Any]:
    """x: (N, D).  gamma, beta: (D,).  Returns out (N, D) and the cache.

    bn_param: {"mode": "train" or "test", "eps": 1e-5, "momentum": 0.9, "running_mean", "running_var"}; the
    running statistics start at zero and are written back into it.
    """
    return _batchnorm(layers.batchnorm_forward, x, gamma, beta, bn_param)


batchnorm_backward_alt = batchnorm_backward


def spatial_batchnorm_forward(x: Array, gamma: Array, beta: Array, bn_param: Param) -> tuple[Array, Any]:
    """x: (N, C, H, W).  gamma, beta: (C,).  bn_param: as in batchnorm_forward.  Returns out and the cache."""
    return _batchnorm(layers.spatial_batchnorm_forward, x, gamma, beta, bn_param)


def _batchnorm(forward: Any, x: Array, gamma: Array, beta: Array, bn_param: Param) -> tuple[Array, Any]:
    xp = backend_of(x=x).xp
    train = _is_training("bn_param", bn_param)
    zeros = xp.zeros(len(gamma), dtype=np.float32)
    mean, var = (bn_param.get(name, zeros) for name in ("running_mean", "running_var"))
    out, cache = forward(
        *promote(x, gamma, beta, mean, var),
        train=train,
        momentum=bn_param.get("momentum", 0.9),
        eps=bn_param.get("eps", 1e-5),
    )
    bn_param["running_mean"], bn_param["running_var"] = cache.running_mean, cache.running_var
    return out, cache


def layernorm_forward(x: Array, gamma: Array, beta: Array, ln_param: Param) -> tuple[Array, Any]:
    """x: (N, D).  gamma, beta: (D,).  ln_param: {"eps": 1e-5}.  Returns out (N, D) and the cache."""
    x, gamma, beta = promote(x, gamma, beta)
    return layers.layernorm_forward(x, gamma, beta, eps=ln_param.get("eps", 1e-5))


def spatial_groupnorm_forward(
    x: Array, gamma: Array, beta: Array, G: int, gn_param: Param
) -> tuple[Array, Any]:
    """x: (N, C, H, W).  gamma, beta: (1, C, 1, 1).  G groups of channels.  gn_param: {"eps": 1e-5}.

    Returns out like x and the cache.
    """
    x, gamma, beta = promote(x, gamma, beta)
    return layers.groupnorm_forward(x, gamma.reshape(-1), beta.reshape(-1), G, eps=gn_param.get("eps", 1e-5))


def spatial_groupnorm_backward(dout: Array, cache: Any) -> tuple[Array, Array, Array]:
    """Returns dx (N, C, H, W), dgamma (1, C, 1, 1), dbeta (1, C, 1, 1)."""
    dx, dgamma, dbeta = layers.groupnorm_backward(dout, cache)
    return dx, dgamma.reshape(1, -1, 1, 1), dbeta.reshape(1, -1, 1, 1)


def dropout_forward(x: Array, dropout_param: Param) -> tuple[Array, Any]:
    """dropout_param: {"mode": "train" or "test", "p": 0.5, "seed"}, p the probability of KEEPING an entry.

    The course turned p round in 2017; before, it was the probability of dropping.  The same seed gives the
    same mask; without one it comes from numpy.random, so that the notebook's numpy.random.seed fixes it.
    Returns out like x and the cache.  Raises InputError for a p outside (0, 1].
    """
    p, train = (
        float(_entry("dropout_param", dropout_param, "p")),
        _is_training("dropout_param", dropout_param),
    )
    if not 0 < p <= 1:
        raise InputError(
            f'dropout_forward: dropout_param["p"] is {p} but must lie in (0, 1]; it is the share to keep'
        )
    seed = dropout_param.get("seed")
    if seed is None and train:
        seed = int(np.random.randint(2**31))  # noqa: NPY002 - the global state is the course's convention
    return layers.dropout_forward(x, 1 - p, train, seed)


def promote(*arrays: Array) -> list[Array]:
    """The arrays in the one float dtype that NumPy would compute in."""
    dtype = np.result_type(np.float32, *(array.dtype for array in arrays))
    return [array.astype(dtype, copy=False) for array in arrays]


def conv_options(conv_param: Param) -> dict[str, Any]:
    """minicap's options for a conv_param.  Raises InputError when an entry is missing."""
    return {name: _entry("conv_param", conv_param, name) for name in ("stride", "pad")}


def pool_options(pool_param: Param) -> dict[str, Any]:
    """minicap's options for a pool_param.  Raises InputError when an entry is missing."""
    height, width, stride = (
        _entry("pool_param", pool_param, name) for name in ("pool_height", "pool_width", "stride")
    )
    return {"size": (height, width), "stride": stride}


def _entry(name: str, param: Param, entry: str) -> Any:
    if entry not in param:
        raise InputError(f"{name} has no entry {entry!r} (it has {', '.join(map(repr, param)) or 'none'})")
    return param[entry]


def _is_training(name: str, param: Param) -> bool:
    mode = _entry(name, param, "mode")
    if mode not in ("train", "test"):
        raise InputError(f'{name}["mode"] is {mode!r} but must be "train" or "test"')
    return bool(mode == "train")
