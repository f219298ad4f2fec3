"""From scores to probabilities.  The loss that classifiers train on is softmax_loss, in losses."""

from typing import NamedTuple

from minicap.arrays import Array, accelerated
from minicap.layers.checks import check, check_dout


class SoftmaxCache(NamedTuple):
    p: Array  # (..., K) the probabilities


@accelerated
def softmax_forward(x: Array) -> tuple[Array, SoftmaxCache]:
    """Softmax over the last axis:  p_k = exp(x_k) / sum_j exp(x_j).

    x: (..., K), one axis or more.  Returns p like x and the cache.
    """
    xp = check(softmax_forward, x=(x, "K ..."))

    # Any constant may be subtracted from a row; its maximum keeps exp from overflowing.
    e = xp.exp(x - x.max(axis=-1, keepdims=True))
    p = e / e.sum(axis=-1, keepdims=True)
    return p, SoftmaxCache(p)


@accelerated
def softmax_backward(dout: Array, cache: SoftmaxCache) -> Array:
    """Gradient of softmax_forward:  dx_k = p_k (dout_k - sum_j dout_j p_j).

    dp_j / dx_k = p_j (1[j = k] - p_k), summed over j with dout_j.
    """
    p = cache.p
    check_dout(softmax_backward, p.shape, dout=dout)

    return p * (dout - (dout * p).sum(axis=-1, keepdims=True))


class LogSoftmaxCache(NamedTuple):
    out: Array  # (..., K) the log probabilities


@accelerated
def log_softmax_forward(x: Array) -> tuple[Array, LogSoftmaxCache]:
    """Logarithm of the softmax over the last axis:  out_k = x_k - log sum_j exp(x_j).

    x: (..., K), one axis or more.  Returns out like x and the cache.  Stays finite where the softmax
    itself would round to 0.
    """
    xp = check(log_softmax_forward, x=(x, "K ..."))

    shifted = x - x.max(axis=-1, keepdims=True)
    out = shifted - xp.log(xp.exp(shifted).sum(axis=-1, keepdims=True))
    return out, LogSoftmaxCache(out)


@accelerated
def log_softmax_backward(dout: Array, cache: LogSoftmaxCache) -> Array:
    """Gradient of log_softmax_forward:  dx_k = dout_k - p_k sum_j dout_j,  p = exp(out).

    d out_j / dx_k = 1[j = k] - p_k, summed over j with dout_j.
    """
    xp = check_dout(log_softmax_backward, cache.out.shape, dout=dout)

    return dout - xp.exp(cache.out) * dout.sum(axis=-1, keepdims=True)
