"""Cases for minicap.layers.sandwiches.  The bias sets the kink of ReLU between two results, far from both."""

from typing import Any

import numpy as np

from minicap.gradcheck.case import Inputs, case, distinct, distinct_in_windows
from minicap.layers import conv_forward


def in_a_gap(results: np.ndarray) -> np.ndarray:
    """A bias for each row: minus the middle of the widest gap between its numbers, so that some pass ReLU."""
    ladder = np.sort(results, axis=1)
    at = np.diff(ladder, axis=1).argmax(axis=1)
    rows = np.arange(len(ladder))
    return -(ladder[rows, at] + ladder[rows, at + 1]) / 2


def conv(rng: np.random.Generator, x: tuple[int, ...], w: tuple[int, ...], **options: Any) -> Inputs:
    arrays: Inputs = dict(x=rng.normal(size=x), w=rng.normal(size=w))
    out, _ = conv_forward(**arrays, b=None, **options)
    return arrays | dict(b=in_a_gap(out.swapaxes(0, 1).reshape(w[0], -1))) | options


def affine(rng: np.random.Generator, x: tuple[int, ...], w: tuple[int, int]) -> Inputs:
    arrays: Inputs = dict(x=rng.normal(size=x), w=rng.normal(size=w))
    out = arrays["x"].reshape(x[0], -1) @ arrays["w"]
    return arrays | dict(b=in_a_gap(out.T))


@case("conv_relu", smooth=False)
def conv_relu(rng: np.random.Generator) -> Inputs:
    return conv(rng, (2, 3, 4, 3), (4, 3, 2, 2))


@case("conv_relu", "stride, pad, groups", smooth=False)
def conv_relu_options(rng: np.random.Generator) -> Inputs:
    return conv(rng, (2, 4, 5, 3), (4, 2, 3, 2), stride=(2, 1), pad=1, groups=2)


@case("affine_relu_dropout", smooth=False)
def affine_relu_dropout(rng: np.random.Generator) -> Inputs:
    return affine(rng, (5, 2, 3), (6, 7)) | dict(rate=0.4, rng=123)


@case("affine_relu_dropout", "nothing dropped", smooth=False)
def affine_relu(rng: np.random.Generator) -> Inputs:
    return affine(rng, (5, 6), (6, 4))


@case("affine_relu_dropout", "eval", smooth=False)
def affine_relu_dropout_eval(rng: np.random.Generator) -> Inputs:
    return affine(rng, (4, 6), (6, 4)) | dict(rate=0.4, train=False)


# Half a step more than distinct gives, so that no number lies at the kink of ReLU.
@case("relu_max_pool", smooth=False)
def relu_max_pool(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (2, 3, 4, 5)) + 0.05)


@case("relu_max_pool", "overlapping, padded", smooth=False)
def relu_max_pool_overlapping(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (2, 1, 5, 6)) + 0.05, size=(3, 2), stride=(2, 1), pad=1)


# Enough work for two threads.  Results are small beside the bias, 1 or -1, which decides about every entry.


def _signs(count: int) -> np.ndarray:
    return np.resize([1.0, 1.0, -1.0], count)


@case("conv_relu", "in pieces", smooth=False, directions=1)
def conv_relu_pieces(rng: np.random.Generator) -> Inputs:
    x, w = rng.uniform(-1, 1, size=(9, 16, 32, 31)), rng.uniform(-0.006, 0.006, size=(20, 16, 3, 3))
    return dict(x=x, w=w, b=_signs(20), pad=1)


@case("affine_relu_dropout", "in pieces", smooth=False, directions=1)
def affine_relu_dropout_pieces(rng: np.random.Generator) -> Inputs:
    x, w = rng.uniform(-1, 1, size=(265, 25, 10)), rng.uniform(-0.003, 0.003, size=(250, 259))
    return dict(x=x, w=w, b=_signs(259), rate=0.4, rng=123)


@case("relu_max_pool", "in pieces", smooth=False, directions=1)
def relu_max_pool_pieces(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct_in_windows(rng, (17, 16, 63, 64), 3), size=3, stride=2, pad=1)
