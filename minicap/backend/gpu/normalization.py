"""Batch, group and layer normalisation; sums over a batch are made in two stages, to keep a GPU busy."""

from math import inf
from typing import Any, NamedTuple

from minicap.arrays.backends import Array, backend_of
from minicap.arrays.checks import check_dout
from minicap.arrays.dispatch import Override
from minicap.backend.gpu.images import Planes, planes, planes_in
from minicap.backend.gpu.launcher import THREADS_PER_BLOCK, Kernel, readable
from minicap.backend.gpu.products import ENOUGH_BLOCKS, shared_out

_batchnorm_statistics = Kernel("normalization.cu", "batchnorm_statistics")
_batchnorm_forward = Kernel("normalization.cu", "batchnorm_forward")
_batchnorm_sums = Kernel("normalization.cu", "batchnorm_sums")
_batchnorm_backward = Kernel("normalization.cu", "batchnorm_backward")
_groupnorm_forward = Kernel("normalization.cu", "groupnorm_forward")
_groupnorm_backward = Kernel("normalization.cu", "groupnorm_backward")
_layernorm_forward = Kernel("normalization.cu", "layernorm_forward")
_layernorm_backward = Kernel("normalization.cu", "layernorm_backward")
_layernorm_sums = Kernel("normalization.cu", "layernorm_sums")
_layernorm_parameters = Kernel("normalization.cu", "layernorm_parameters")


SHORTEST_PART = 1024  # entries of a channel, and rows, that are worth a block of their own
SHORTEST_SUM = 32


class BatchnormKernelCache(NamedTuple):
    x: Planes  # as images, (N, D, 1, 1) for a batch of vectors
    shape: tuple[int, ...]  # of x as given
    gamma: Array
    mean: Array  # (C,) that x was normalised with
    inv_std: Array  # (C,)
    train: bool
    running_mean: Array  # after this batch
    running_var: Array


class SpatialBatchnormKernelCache(BatchnormKernelCache):
    """The same for images; a cache's type says which backward reads it."""


def batchnorm_forward(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_var: Array,
    train: bool = True,
    momentum: float = 0.9,
    eps: float = 1e-5,
) -> tuple[Array, BatchnormKernelCache]:
    """batchnorm_forward of minicap.layers.normalization."""
    xp = backend_of(x=x).xp
    given = planes(_as_images(x))
    out = Planes(xp.empty_like(given.memory), given.channels_first)
    mean, inv_std = xp.empty_like(gamma), xp.empty_like(gamma)
    next_mean, next_var = (
        (xp.empty_like(gamma), xp.empty_like(gamma)) if train else (running_mean, running_var)
    )
    sizes = _parts_of(given) | _sizes(given)
    blocks, statistics = len(gamma) * sizes["parts"], dict(means=None, squares=None)
    if train:
        statistics = {name: xp.empty(blocks, dtype=x.dtype) for name in statistics}
        _batchnorm_statistics.blocks(blocks, x=given.memory, **statistics, **sizes)
    parameters = dict(gamma=gamma, beta=beta, running_mean=running_mean, running_var=running_var)
    moved = dict(next_mean=next_mean, next_var=next_var) if train else dict(next_mean=None, next_var=None)
    results = dict(mean=mean, inv_std=inv_std, **moved)
    shares = dict(momentum=float(momentum), new_share=1 - float(momentum))
    arrays = dict(x=given.memory, out=out.memory, **parameters, **statistics, **results)
    _batchnorm_forward.blocks(blocks, **arrays, **shares, eps=float(eps), **sizes)
    cache = BatchnormKernelCache(given, x.shape, gamma, mean, inv_std, train, next_mean, next_var)
    return out.images.reshape(x.shape), cache


def batchnorm_backward(dout: Array, cache: BatchnormKernelCache) -> tuple[Array, Array, Array]:
    """Its gradients: dx, dgamma, dbeta."""
    x, shape, gamma, mean, inv_std, train, _, _ = cache
    xp = check_dout(batchnorm_backward, shape, dout=dout)
    dout = planes_in(_as_images(dout), x.channels_first)
    dx = Planes(xp.empty_like(dout), x.channels_first)
    dgamma, dbeta = xp.empty_like(gamma), xp.empty_like(gamma)
    sizes = _parts_of(x) | _sizes(x)
    blocks = len(gamma) * sizes["parts"]
    given = dict(dout=dout, x=x.memory, mean=mean, inv_std=inv_std)
    given |= {name: xp.empty(blocks, dtype=dout.dtype) for name in ("sums", "products")}
    _batchnorm_sums.blocks(blocks, **given, **sizes)
    results = dict(dx=dx.memory, dgamma=dgamma, dbeta=dbeta)
    _batchnorm_backward.blocks(blocks, **given, **results, gamma=gamma, train=int(train), **sizes)
    return dx.images.reshape(shape), dgamma, dbeta


def spatial_batchnorm_forward(
    x: Array, *parameters: Any, **options: Any
) -> tuple[Array, BatchnormKernelCache]:
    """spatial_batchnorm_forward of minicap.layers.normalization."""
    out, cache = batchnorm_forward(x, *parameters, **options)
    return out, SpatialBatchnormKernelCache(*cache)


class GroupnormKernelCache(NamedTuple):
    x: Planes
    gamma: Array  # (C,)
    mean: Array  # (N, groups)
    inv_std: Array  # (N, groups)


def groupnorm_forward(
    x: Array, gamma: Array, beta: Array, groups: int, eps: float = 1e-5
) -> tuple[Array, GroupnormKernelCache]:
    """groupnorm_forward of minicap.layers.normalization."""
    xp, given = backend_of(x=x).xp, planes(x)
    out = Planes(xp.empty_like(given.memory), given.channels_first)
    mean, inv_std = (xp.empty((len(x), groups), dtype=x.dtype) for _ in range(2))
    arrays = dict(x=given.memory, gamma=gamma, beta=beta, out=out.memory, mean=mean, inv_std=inv_std)
    _groupnorm_forward.blocks(mean.size, **arrays, eps=float(eps), groups=groups, **_sizes(given))
    return out.images, GroupnormKernelCache(given, gamma, mean, inv_std)


def groupnorm_backward(dout: Array, cache: GroupnormKernelCache) -> tuple[Array, Array, Array]:
    """Its gradients: dx, dgamma, dbeta."""
    x, gamma, mean, inv_std = cache
    xp = check_dout(groupnorm_backward, x.images.shape, dout=dout)
    dx = Planes(xp.empty_like(x.memory), x.channels_first)
    dgamma, dbeta = xp.empty_like(gamma), xp.empty_like(gamma)
    given = dict(dout=planes_in(dout, x.channels_first), x=x.memory, gamma=gamma, mean=mean, inv_std=inv_std)
    results = dict(dx=dx.memory, dgamma=dgamma, dbeta=dbeta)
    _groupnorm_backward.blocks(mean.size + len(gamma), **given, **results, groups=mean.shape[1], **_sizes(x))
    return dx.images, dgamma, dbeta


class LayernormKernelCache(NamedTuple):
    x_hat: Array  # (..., D) normalised, before gamma and beta
    inv_std: Array  # (...)
    gamma: Array  # (D,)


def layernorm_forward(
    x: Array, gamma: Array, beta: Array, eps: float = 1e-5
) -> tuple[Array, LayernormKernelCache]:
    """layernorm_forward of minicap.layers.normalization."""
    xp = backend_of(x=x).xp
    x = xp.ascontiguousarray(x)
    out, x_hat, inv_std = xp.empty_like(x), xp.empty_like(x), xp.empty(x.shape[:-1], dtype=x.dtype)
    arrays = dict(x=x, gamma=gamma, beta=beta, out=out, x_hat=x_hat, inv_std=inv_std)
    _layernorm_forward.blocks(inv_std.size, **arrays, eps=float(eps), rows=inv_std.size, D=len(gamma))
    return out, LayernormKernelCache(x_hat, inv_std, gamma)


def layernorm_backward(dout: Array, cache: LayernormKernelCache) -> tuple[Array, Array, Array]:
    """Its gradients: dx, dgamma, dbeta."""
    x_hat, inv_std, gamma = cache
    xp = check_dout(layernorm_backward, x_hat.shape, dout=dout)
    dout = xp.ascontiguousarray(dout)
    dx, dgamma, dbeta = xp.empty_like(x_hat), xp.empty_like(gamma), xp.empty_like(gamma)
    arrays, sizes = dict(dout=dout, x_hat=x_hat), dict(rows=inv_std.size, D=len(gamma))
    _layernorm_backward.blocks(inv_std.size, **arrays, gamma=gamma, inv_std=inv_std, dx=dx, **sizes)
    tiles, D = -(-len(gamma) // 32), len(gamma)
    parts, length = shared_out(inv_std.size, ENOUGH_BLOCKS // tiles, SHORTEST_SUM)
    partial = xp.empty((parts, 2, D), dtype=dout.dtype)
    _layernorm_sums.blocks(tiles * parts, **arrays, partial=partial, parts=parts, length=length, **sizes)
    _layernorm_parameters.blocks(
        -(-2 * D // 32), partial=partial, dgamma=dgamma, dbeta=dbeta, parts=parts, D=D
    )
    return dx, dgamma, dbeta


def _parts_of(x: Planes) -> dict[str, int]:
    """Into how many parts the entries of a channel are divided, and the length of each."""
    N, C, H, W = x.images.shape
    most = min(-(-ENOUGH_BLOCKS // C), THREADS_PER_BLOCK)
    return dict(zip(("parts", "length"), shared_out(N * H * W, most, SHORTEST_PART), strict=True))


def _as_images(x: Array) -> Array:
    """(N, C, ...) as (N, C, H, W); a view."""
    return x if x.ndim == 4 else x.reshape(*x.shape[:2], -1, 1)


def _sizes(x: Planes) -> dict[str, int]:
    N, C, H, W = x.images.shape
    return dict(N=N, C=C, P=H * W, **x.steps)


def _supports_batchnorm(
    x: Array,
    gamma: Array,
    beta: Array,
    running_mean: Array,
    running_var: Array,
    train: bool = True,
    momentum: float = 0.9,
    eps: float = 1e-5,
) -> bool:
    vectors = gamma, beta, running_mean, running_var
    if x.ndim < 2 or not readable(x, *vectors) or not 0 <= momentum <= 1 or not 0 <= eps < inf:
        return False
    in_one_piece = x.ndim == 4 or x.flags.c_contiguous
    return in_one_piece and all(v.shape == (x.shape[1],) and v.flags.c_contiguous for v in vectors)


def _supports_spatial(x: Array, *parameters: Any, **options: Any) -> bool:
    return x.ndim == 4 and _supports_batchnorm(x, *parameters, **options)


def _supports_groupnorm(x: Array, gamma: Array, beta: Array, groups: int, eps: float = 1e-5) -> bool:
    if x.ndim != 4 or not readable(x, gamma, beta) or not isinstance(groups, int) or groups < 1:
        return False
    if not 0 <= eps < inf:
        return False
    in_one_piece = all(v.shape == x.shape[1:2] and v.flags.c_contiguous for v in (gamma, beta))
    return in_one_piece and x.shape[1] % groups == 0


def _supports_layernorm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5) -> bool:
    vectors = (gamma, beta)
    in_one_piece = all(v.shape == x.shape[-1:] and v.flags.c_contiguous for v in vectors)
    return x.ndim >= 1 and readable(x, *vectors) and in_one_piece and 0 <= eps < inf


OVERRIDES = (
    Override("batchnorm", batchnorm_forward, _supports_batchnorm, BatchnormKernelCache, batchnorm_backward),
    Override(
        "spatial_batchnorm",
        spatial_batchnorm_forward,
        _supports_spatial,
        SpatialBatchnormKernelCache,
        batchnorm_backward,
    ),
    Override("groupnorm", groupnorm_forward, _supports_groupnorm, GroupnormKernelCache, groupnorm_backward),
    Override("layernorm", layernorm_forward, _supports_layernorm, LayernormKernelCache, layernorm_backward),
)
