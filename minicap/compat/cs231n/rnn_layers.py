"""The layers of CS231n's captioning assignment.  The gates of the LSTM are i, f, o, g, there and here.

Since 2021 the course's file of this name holds the affine layer and the sigmoid as well.
"""

from typing import Any

from minicap import layers
from minicap.arrays import Array
from minicap.compat.cs231n.layers import affine_backward, affine_forward, promote
from minicap.layers import (
    lstm_step_backward,
    rnn_backward,
    rnn_step_backward,
    temporal_affine_backward,
)

__all__ = [
    "affine_backward",
    "affine_forward",
    "lstm_backward",
    "lstm_forward",
    "lstm_step_backward",
    "lstm_step_forward",
    "rnn_backward",
    "rnn_forward",
    "rnn_step_backward",
    "rnn_step_forward",
    "sigmoid",
    "temporal_affine_backward",
    "temporal_affine_forward",
    "temporal_softmax_loss",
    "word_embedding_backward",
    "word_embedding_forward",
]


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)) of every entry, where exp cannot overflow."""
    (x,) = promote(x)
    out, _ = layers.sigmoid_forward(x)
    return out


def rnn_step_forward(x: Array, prev_h: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, Any]:
    """x: (N, D).  prev_h: (N, H).  Wx: (D, H).  Wh: (H, H).  b: (H,).  Returns next_h and the cache."""
    x, prev_h, Wx, Wh, b = promote(x, prev_h, Wx, Wh, b)
    return layers.rnn_step_forward(x, prev_h, Wx, Wh, b)


def rnn_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, Any]:
    """x: (N, T, D).  h0: (N, H).  Returns h (N, T, H) and the cache."""
    x, h0, Wx, Wh, b = promote(x, h0, Wx, Wh, b)
    return layers.rnn_forward(x, h0, Wx, Wh, b)


def lstm_step_forward(
    x: Array, prev_h: Array, prev_c: Array, Wx: Array, Wh: Array, b: Array
) -> tuple[Array, Array, Any]:
    """x: (N, D).  prev_h, prev_c: (N, H).  Wx: (D, 4H).  Wh: (H, 4H).  b: (4H,).

    Returns next_h (N, H), next_c (N, H) and the cache.
    """
    x, prev_h, prev_c, Wx, Wh, b = promote(x, prev_h, prev_c, Wx, Wh, b)
    return layers.lstm_step_forward(x, prev_h, prev_c, Wx, Wh, b)


def lstm_forward(x: Array, h0: Array, Wx: Array, Wh: Array, b: Array) -> tuple[Array, Any]:
    """x: (N, T, D).  h0: (N, H); the first cell is zero.  Returns h (N, T, H) and the cache."""
    x, h0, Wx, Wh, b = promote(x, h0, Wx, Wh, b)
    return layers.lstm_forward(x, h0, Wx, Wh, b)


def lstm_backward(dh: Array, cache: Any) -> tuple[Array, Array, Array, Array, Array]:
    """dh: (N, T, H).  Returns dx, dh0, dWx, dWh, db."""
    dx, dh0, dWx, dWh, db, _dc0 = layers.lstm_backward(dh, cache)
    return dx, dh0, dWx, dWh, db


def word_embedding_forward(x: Array, W: Array) -> tuple[Array, Any]:
    """x: (N, T) integers in 0..V-1.  W: (V, D).  Returns out (N, T, D) and the cache."""
    return layers.embedding_forward(x, W)


word_embedding_backward = layers.embedding_backward


def temporal_affine_forward(x: Array, w: Array, b: Array) -> tuple[Array, Any]:
    """x: (N, T, D).  w: (D, M).  b: (M,).  Returns out (N, T, M) and the cache."""
    x, w, b = promote(x, w, b)
    return layers.temporal_affine_forward(x, w, b)


def temporal_softmax_loss(x: Array, y: Array, mask: Array, verbose: bool = False) -> tuple[Array, Array]:
    """x: (N, T, V).  y: (N, T).  mask: (N, T) of any dtype.  Returns the loss, summed over time and divided
    by N, and dx (N, T, V).  verbose: print the shape of dx.
    """
    loss, dx = layers.temporal_softmax_loss(x, y, mask.astype(x.dtype))
    if verbose:
        print("dx:", dx.shape)  # noqa: T201 - asked for
    return loss, dx
