"""Batch, layer and group normalisation: one formula, taken over different axes.

All four set x_hat = (x - mean) / sqrt(var + eps) and out = gamma x_hat + beta, with the biased variance
(divided by the number of entries).  They differ only in which entries share a mean and a variance.
"""

from typing import Any, NamedTuple

from minicap.arrays import Array, accelerated, backend_of
from minicap.arrays.windows import whole
from minicap.layers.checks import check, check_dout, number, shape_error


class BatchnormCache(NamedTuple):
    x_hat: Array  # like x: normalised, before gamma and beta
    inv_std: Array  # 1 / sqrt(var + eps), one number per channel, broadcasts to x
    gamma: Array  # (D,) or (C,)
    train: bool
    running_mean: Array  # after this batch, like the running_mean given
    running_var: Array  # after this batch, like the running_var given


@accelerated
def batchnorm_forward(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_var: Array,
    train: bool = True,
    momentum: float = 0.9,
    eps: float = 1e-5,
) -> tuple[Array, BatchnormCache]:
    """Normalise every feature over the batch:  out = gamma (x - mean) / sqrt(var + eps) + beta.

    x: (N, D), or (N, D, ...) with further axes that share their feature's mean and var.
    gamma, beta, running_mean, running_var: (D,).
    train=True: mean and biased var of this batch, and
        running = momentum * running + (1 - momentum) * batch  for both.
    train=False: mean and var are the running ones, which stay as they are.
    The given running statistics are never written; the updated ones are cache.running_mean and
    cache.running_var, to be passed to the next call.  PyTorch's momentum is 1 - momentum, and its running
    variance is unbiased: M / (M - 1) times the batch's, for M entries per feature.
    A batch of one has no variance: in training the output is beta, and no gradient reaches x.
    Returns out like x and the cache.  Raises ShapeError when sizes differ, InputError for an option.
    Source: Ioffe & Szegedy 2015, algorithms 1 and 2.
    """
    parameters = dict(gamma=gamma, beta=beta, running_mean=running_mean, running_var=running_var)
    check(batchnorm_forward, x=(x, "N D ..."), **{name: (p, "D") for name, p in parameters.items()})
    momentum = number(batchnorm_forward, "momentum", momentum, 0, 1)
    eps = number(batchnorm_forward, "eps", eps, 0)

    others, column = _around_channels(x)
    if train:
        x_hat, inv_std, mean, var = _standardise(x, others, eps)
        running_mean = momentum * running_mean + (1 - momentum) * mean.reshape(-1)
        running_var = momentum * running_var + (1 - momentum) * var.reshape(-1)
    else:
        inv_std = _inverse_root(running_var.reshape(column), eps)
        x_hat = (x - running_mean.reshape(column)) * inv_std
    out = gamma.reshape(column) * x_hat + beta.reshape(column)
    return out, BatchnormCache(x_hat, inv_std, gamma, train, running_mean, running_var)


@accelerated
def batchnorm_backward(dout: Array, cache: BatchnormCache) -> tuple[Array, Array, Array]:
    """Gradients of batchnorm_forward.  dout: like x.  Returns dx like x, dgamma (D,), dbeta (D,).

    In training mean and var depend on x; `_standardise_gradient` derives what follows for dx.
    In evaluation they are constants:  dx = gamma dout / sqrt(var + eps).
    """
    x_hat, inv_std, gamma, train, _, _ = cache
    check_dout(batchnorm_backward, x_hat.shape, dout=dout)

    others, column = _around_channels(dout)
    dx_hat = dout * gamma.reshape(column)
    dx = _standardise_gradient(dx_hat, x_hat, inv_std, others) if train else dx_hat * inv_std
    return dx, (dout * x_hat).sum(axis=others), dout.sum(axis=others)


class SpatialBatchnormCache(NamedTuple):
    batchnorm: Any  # of batchnorm_forward
    shape: tuple[int, ...]  # of x
    running_mean: Array  # (C,) after this batch
    running_var: Array  # (C,) after this batch


@accelerated
def spatial_batchnorm_forward(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_var: Array,
    train: bool = True,
    momentum: float = 0.9,
    eps: float = 1e-5,
) -> tuple[Array, SpatialBatchnormCache]:
    """Batch normalisation of images: every channel over the batch and all its pixels.

    x: (N, C, H, W).  gamma, beta, running_mean, running_var: (C,).
    Everything else, including the updated statistics in the cache, is as in batchnorm_forward.
    Source: Ioffe & Szegedy 2015, section 3.2.
    """
    parameters = dict(gamma=gamma, beta=beta, running_mean=running_mean, running_var=running_var)
    check(spatial_batchnorm_forward, x=(x, "N C H W"), **{name: (p, "C") for name, p in parameters.items()})

    out, cache = batchnorm_forward(x, gamma, beta, running_mean, running_var, train, momentum, eps)
    return out, SpatialBatchnormCache(cache, x.shape, cache.running_mean, cache.running_var)


@accelerated
def spatial_batchnorm_backward(dout: Array, cache: SpatialBatchnormCache) -> tuple[Array, Array, Array]:
    """Gradients of spatial_batchnorm_forward.  dout: (N, C, H, W).  Returns dx, dgamma (C,), dbeta (C,)."""
    check_dout(spatial_batchnorm_backward, cache.shape, dout=dout)

    return batchnorm_backward(dout, cache.batchnorm)


class LayernormCache(NamedTuple):
    x_hat: Array  # like x: normalised, before gamma and beta
    inv_std: Array  # (..., 1)  1 / sqrt(var + eps)
    gamma: Array  # (D,)


@accelerated
def layernorm_forward(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> tuple[Array, LayernormCache]:
    """Normalise every row over its own features:  out = gamma (x - mean) / sqrt(var + eps) + beta.

    x: (..., D), any leading axes; mean and biased var over the last.  gamma, beta: (D,).
    Returns out like x and the cache.
    Raises ShapeError when gamma or beta is not (D,), InputError for an eps that cannot be used.
    Source: Ba et al. 2016, eq. 3 and 4.
    """
    check(layernorm_forward, x=(x, "N ..."), gamma=(gamma, "D"), beta=(beta, "D"))
    if x.shape[-1] != len(gamma):
        raise shape_error(
            layernorm_forward, f"x has {x.shape[-1]} features but gamma {len(gamma)}", x=x, gamma=gamma
        )
    eps = number(layernorm_forward, "eps", eps, 0)

    x_hat, inv_std, _, _ = _standardise(x, -1, eps)
    return gamma * x_hat + beta, LayernormCache(x_hat, inv_std, gamma)


@accelerated
def layernorm_backward(dout: Array, cache: LayernormCache) -> tuple[Array, Array, Array]:
    """Gradients of layernorm_forward.  Returns dx like x, dgamma (D,), dbeta (D,)."""
    x_hat, inv_std, gamma = cache
    check_dout(layernorm_backward, x_hat.shape, dout=dout)

    leading = tuple(range(x_hat.ndim - 1))
    dx = _standardise_gradient(dout * gamma, x_hat, inv_std, -1)
    return dx, (dout * x_hat).sum(axis=leading), dout.sum(axis=leading)


class GroupnormCache(NamedTuple):
    x_hat: Array  # (N, C, H, W) normalised, before gamma and beta
    inv_std: Array  # (N, groups, 1)  1 / sqrt(var + eps)
    gamma: Array  # (C,)


@accelerated
def groupnorm_forward(
    x: Array, gamma: Array, beta: Array, groups: int, eps: float = 1e-5
) -> tuple[Array, GroupnormCache]:
    """Normalise every group of channels of every image:  out = gamma (x - mean) / sqrt(var + eps) + beta.

    x: (N, C, H, W); C / groups neighbouring channels and their pixels share mean and biased var.
    gamma, beta: (C,).  groups=1 is layer normalisation of images, groups=C instance normalisation.
    Returns out like x and the cache.
    Raises ShapeError when groups does not divide C, InputError for an option that cannot be used.
    Source: Wu & He 2018, eq. 7.
    """
    check(groupnorm_forward, x=(x, "N C H W"), gamma=(gamma, "C"), beta=(beta, "C"))
    groups = whole(groupnorm_forward, "groups", groups)
    if x.shape[1] % groups:
        raise shape_error(groupnorm_forward, "groups must divide the channels", x=x, groups=groups)
    eps = number(groupnorm_forward, "eps", eps, 0)

    x_hat, inv_std, _, _ = _standardise(x.reshape(len(x), groups, -1), -1, eps)
    x_hat = x_hat.reshape(x.shape)
    return gamma[:, None, None] * x_hat + beta[:, None, None], GroupnormCache(x_hat, inv_std, gamma)


@accelerated
def groupnorm_backward(dout: Array, cache: GroupnormCache) -> tuple[Array, Array, Array]:
    """Gradients of groupnorm_forward.  Returns dx (N, C, H, W), dgamma (C,), dbeta (C,)."""
    x_hat, inv_std, gamma = cache
    check_dout(groupnorm_backward, x_hat.shape, dout=dout)

    by_group = (*inv_std.shape[:2], -1)
    dx_hat = dout * gamma[:, None, None]
    dx = _standardise_gradient(dx_hat.reshape(by_group), x_hat.reshape(by_group), inv_std, -1)
    return dx.reshape(dout.shape), (dout * x_hat).sum(axis=(0, 2, 3)), dout.sum(axis=(0, 2, 3))


def _standardise(x: Array, axis: int | tuple[int, ...], eps: float) -> tuple[Array, Array, Array, Array]:
    """x_hat = (x - mean) / sqrt(var + eps) over the axes; also 1 / sqrt(var + eps), mean and biased var."""
    mean = x.mean(axis=axis, keepdims=True)
    centred = x - mean
    var = (centred**2).mean(axis=axis, keepdims=True)
    inv_std = _inverse_root(var, eps)
    return centred * inv_std, inv_std, mean, var


def _standardise_gradient(dx_hat: Array, x_hat: Array, inv_std: Array, axis: int | tuple[int, ...]) -> Array:
    """Gradient of _standardise:  dx = inv_std (dx_hat - mean(dx_hat) - x_hat mean(dx_hat x_hat)).

    Over the M entries that share their statistics, d x_hat_j / d x_i has three parts: inv_std 1[i = j] from
    x_i itself, -inv_std / M through the mean, and -inv_std x_hat_i x_hat_j / M through the variance
    (d inv_std / d x_i = -inv_std^2 x_hat_i / M; the mean's part in it cancels, since sum_i x_hat_i = 0).
    """
    mean_part = dx_hat.mean(axis=axis, keepdims=True)
    var_part = x_hat * (dx_hat * x_hat).mean(axis=axis, keepdims=True)
    return inv_std * (dx_hat - mean_part - var_part)


def _inverse_root(var: Array, eps: float) -> Array:
    return 1 / backend_of(var=var).xp.sqrt(var + eps)


def _around_channels(x: Array) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """For x (N, C, ...): the axes that share a channel's statistics, and (C,) shaped to broadcast to x."""
    return (0, *range(2, x.ndim)), (1, -1, *(1,) * (x.ndim - 2))
