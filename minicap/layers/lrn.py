"""Local response normalisation, between neighbouring channels (AlexNet, GoogLeNet)."""

from typing import NamedTuple

from minicap.arrays import Array, accelerated, backend_of
from minicap.arrays.windows import whole
from minicap.layers.checks import check, check_dout, number


class LrnCache(NamedTuple):
    x: Array  # (N, C, H, W) input as given
    base: Array  # (N, C, H, W) s = k + alpha / size * sum of x^2 over the window
    size: int
    alpha: float
    beta: float


@accelerated
def lrn_forward(
    x: Array, size: int = 5, alpha: float = 1e-4, beta: float = 0.75, k: float = 2.0
) -> tuple[Array, LrnCache]:
    """Divide every entry by the energy of its neighbouring channels:  out_c = x_c / s_c^beta  with
    s_c = k + alpha / size * sum of x_j^2 over the channels  c - size // 2 <= j <= c + (size - 1) // 2.

    x: (N, C, H, W).  Channels outside 0..C-1 count as 0.  Returns out like x and the cache.
    Raises InputError for an option that cannot be used.
    Source: Krizhevsky et al. 2012, section 3.3, whose alpha is ours / size (ours is PyTorch's and Caffe's).
    """
    check(lrn_forward, x=(x, "N C H W"))
    size = whole(lrn_forward, "size", size)
    alpha, k = number(lrn_forward, "alpha", alpha, 0), number(lrn_forward, "k", k, 0)
    beta = number(lrn_forward, "beta", beta)

    base = k + alpha / size * _window_sum(x**2, before=size // 2, after=(size - 1) // 2)
    return x * base**-beta, LrnCache(x, base, size, alpha, beta)


@accelerated
def lrn_backward(dout: Array, cache: LrnCache) -> Array:
    """Gradient of lrn_forward.  dout: (N, C, H, W).  Returns dx.

    x_c is the numerator of out_c and in s_j of every j whose window holds c, the mirrored window:
    dx_c = dout_c s_c^-beta - 2 alpha beta / size * x_c * sum_j dout_j x_j s_j^(-beta - 1).
    """
    x, base, size, alpha, beta = cache
    check_dout(lrn_backward, x.shape, dout=dout)

    through_base = _window_sum(dout * x * base ** (-beta - 1), before=(size - 1) // 2, after=size // 2)
    return dout * base**-beta - 2 * alpha * beta / size * x * through_base


def _window_sum(a: Array, before: int, after: int) -> Array:
    """For every channel, the sum over itself, `before` channels before it and `after` channels after it."""
    channels = a.shape[1]
    padded = backend_of(a=a).xp.pad(a, ((0, 0), (before, after), (0, 0), (0, 0)))
    total = padded[:, :channels]
    for first in range(1, before + after + 1):
        total = total + padded[:, first : first + channels]
    return total
