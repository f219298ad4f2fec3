"""Elementwise nonlinearities."""

from typing import NamedTuple

from minicap.arrays import Array, accelerated, backend_of
from minicap.layers.checks import check, check_dout, number
from minicap.layers.normal_cdf import normal_cdf, normal_pdf


class ReluCache(NamedTuple):
    x: Array  # input as given


@accelerated
def relu_forward(x: Array) -> tuple[Array, ReluCache]:
    """Rectified linear unit:  out = max(0, x).

    x: any shape.  Returns out like x and the cache.
    """
    xp = check(relu_forward, x=(x, "..."))

    return xp.maximum(x, 0), ReluCache(x)


@accelerated
def relu_backward(dout: Array, cache: ReluCache) -> Array:
    """Gradient of relu_forward: the slope is 1 where x > 0 and 0 elsewhere (0 at the kink itself)."""
    check_dout(relu_backward, cache.x.shape, dout=dout)

    return dout * (cache.x > 0)


class LeakyReluCache(NamedTuple):
    x: Array  # input as given
    slope: float


@accelerated
def leaky_relu_forward(x: Array, slope: float = 0.01) -> tuple[Array, LeakyReluCache]:
    """Leaky rectifier:  out = x where x > 0, slope * x elsewhere.

    x: any shape.  slope: the slope on the negative side.
    Returns out like x and the cache.  Raises InputError for a slope that is not finite.
    Source: Maas et al. 2013, section 2.
    """
    xp = check(leaky_relu_forward, x=(x, "..."))
    slope = number(leaky_relu_forward, "slope", slope)

    return xp.where(x > 0, x, slope * x), LeakyReluCache(x, slope)


@accelerated
def leaky_relu_backward(dout: Array, cache: LeakyReluCache) -> Array:
    """Gradient of leaky_relu_forward: the slope is 1 where x > 0 and `slope` elsewhere (also at the kink)."""
    xp = check_dout(leaky_relu_backward, cache.x.shape, dout=dout)

    return xp.where(cache.x > 0, dout, cache.slope * dout)


class Relu6Cache(NamedTuple):
    x: Array  # input as given


@accelerated
def relu6_forward(x: Array) -> tuple[Array, Relu6Cache]:
    """Rectifier that saturates:  out = min(max(0, x), 6).

    x: any shape.  Returns out like x and the cache.  Source: Krizhevsky 2010, "Convolutional deep belief
    networks on CIFAR-10"; EfficientNet-Lite uses it because its range suits 8-bit inference.
    """
    xp = check(relu6_forward, x=(x, "..."))

    return xp.minimum(xp.maximum(x, 0), 6), Relu6Cache(x)


@accelerated
def relu6_backward(dout: Array, cache: Relu6Cache) -> Array:
    """Gradient of relu6_forward: the slope is 1 where 0 < x < 6 and 0 elsewhere (also at both kinks)."""
    check_dout(relu6_backward, cache.x.shape, dout=dout)

    return dout * ((cache.x > 0) & (cache.x < 6))


class SigmoidCache(NamedTuple):
    out: Array  # sigmoid(x)


@accelerated
def sigmoid_forward(x: Array) -> tuple[Array, SigmoidCache]:
    """Logistic sigmoid:  out = 1 / (1 + exp(-x)).

    x: any shape.  Returns out like x and the cache.
    """
    check(sigmoid_forward, x=(x, "..."))

    out = sigmoid(x)
    return out, SigmoidCache(out)


@accelerated
def sigmoid_backward(dout: Array, cache: SigmoidCache) -> Array:
    """Gradient of sigmoid_forward:  dx = dout * out (1 - out)."""
    check_dout(sigmoid_backward, cache.out.shape, dout=dout)

    return dout * cache.out * (1 - cache.out)


def sigmoid(x: Array) -> Array:
    """The logistic function as (1 + tanh(x / 2)) / 2, which never overflows."""
    return 0.5 * (backend_of(x=x).xp.tanh(0.5 * x) + 1)


class TanhCache(NamedTuple):
    out: Array  # tanh(x)


@accelerated
def tanh_forward(x: Array) -> tuple[Array, TanhCache]:
    """Hyperbolic tangent.  x: any shape.  Returns out like x and the cache."""
    xp = check(tanh_forward, x=(x, "..."))

    out = xp.tanh(x)
    return out, TanhCache(out)


@accelerated
def tanh_backward(dout: Array, cache: TanhCache) -> Array:
    """Gradient of tanh_forward:  dx = dout (1 - out^2)."""
    check_dout(tanh_backward, cache.out.shape, dout=dout)

    return dout * (1 - cache.out**2)


class EluCache(NamedTuple):
    x: Array  # input as given
    alpha: float


@accelerated
def elu_forward(x: Array, alpha: float = 1.0) -> tuple[Array, EluCache]:
    """Exponential linear unit:  out = x where x > 0, alpha * (exp(x) - 1) elsewhere.

    x: any shape.  alpha: large negative inputs tend to -alpha.
    Returns out like x and the cache.  Raises InputError for an alpha that is not finite.
    Source: Clevert et al. 2016, eq. 15.
    """
    xp = check(elu_forward, x=(x, "..."))
    alpha = number(elu_forward, "alpha", alpha)

    # exp of the negative part only: exp(x) of a large x would overflow before `where` drops it.
    return xp.where(x > 0, x, alpha * xp.expm1(xp.minimum(x, 0))), EluCache(x, alpha)


@accelerated
def elu_backward(dout: Array, cache: EluCache) -> Array:
    """Gradient of elu_forward: the slope is 1 where x > 0 and alpha * exp(x) elsewhere."""
    x, alpha = cache
    xp = check_dout(elu_backward, x.shape, dout=dout)

    return xp.where(x > 0, dout, dout * alpha * xp.exp(xp.minimum(x, 0)))


class GeluCache(NamedTuple):
    x: Array  # input as given
    gate: Array  # Phi(x)


@accelerated
def gelu_forward(x: Array) -> tuple[Array, GeluCache]:
    """Gaussian error linear unit, exact:  out = x Phi(x),  Phi the normal distribution's cumulative function.

    x: any shape.  Returns out like x and the cache.  Source: Hendrycks & Gimpel 2016, section 2 (their
    tanh and sigmoid approximations are not used).
    """
    check(gelu_forward, x=(x, "..."))

    gate = normal_cdf(x)
    return x * gate, GeluCache(x, gate)


@accelerated
def gelu_backward(dout: Array, cache: GeluCache) -> Array:
    """Gradient of gelu_forward:  dx = dout (Phi(x) + x phi(x)),  phi = Phi' the normal density."""
    x, gate = cache
    check_dout(gelu_backward, x.shape, dout=dout)

    return dout * (gate + x * normal_pdf(x))


class SiluCache(NamedTuple):
    x: Array  # input as given
    gate: Array  # sigmoid(x)


@accelerated
def silu_forward(x: Array) -> tuple[Array, SiluCache]:
    """Sigmoid linear unit, also called swish:  out = x sigmoid(x).

    x: any shape.  Returns out like x and the cache.  Source: Elfwing et al. 2018, section 2.
    """
    check(silu_forward, x=(x, "..."))

    gate = sigmoid(x)
    return x * gate, SiluCache(x, gate)


@accelerated
def silu_backward(dout: Array, cache: SiluCache) -> Array:
    """Gradient of silu_forward:  with s = sigmoid(x), s' = s (1 - s), so dx = dout (s + x s (1 - s))."""
    x, gate = cache
    check_dout(silu_backward, x.shape, dout=dout)

    return dout * (gate + x * gate * (1 - gate))
