"""Cases for minicap.layers.pooling."""

import numpy as np

from minicap.gradcheck.case import Inputs, case, distinct, distinct_in_windows


@case("max_pool", smooth=False)
def max_pool(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (2, 3, 4, 5)))


@case("max_pool", "overlapping, padded", smooth=False)
def max_pool_overlapping(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (2, 1, 5, 6)), size=(3, 2), stride=(2, 1), pad=1)


@case("max_pool", "ceil mode", smooth=False)
def max_pool_ceil(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (1, 2, 6, 5)), size=3, stride=2, ceil_mode=True)


@case("avg_pool")
def avg_pool(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 4, 5)))


@case("avg_pool", "overlapping, padded, ceil mode")
def avg_pool_overlapping(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 1, 6, 5)), size=(3, 2), stride=2, pad=1, ceil_mode=True)


@case("avg_pool", "padding not counted")
def avg_pool_exclusive(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(1, 2, 5, 4)), size=3, stride=(1, 2), pad=1, count_include_pad=False)


@case("global_avg_pool")
def global_avg_pool(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 4, 5)))


@case("global_max_pool", smooth=False)
def global_max_pool(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (2, 3, 4, 5)))


@case("max_pool", "stride 3", smooth=False)
def max_pool_stride(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (2, 2, 7, 7)), size=2, stride=(3, 3))


@case("avg_pool", "stride 3")
def avg_pool_stride(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 2, 7, 7)), size=2, stride=(3, 3))


# Enough entries for two threads.


@case("max_pool", "in pieces", smooth=False, directions=1)
def max_pool_pieces(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct_in_windows(rng, (17, 16, 63, 64), 3), size=3, stride=2, pad=1)


@case("avg_pool", "in pieces", directions=1)
def avg_pool_pieces(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(17, 16, 63, 64)), size=3, stride=2, pad=1)


@case("global_avg_pool", "in pieces", directions=1)
def global_avg_pool_pieces(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(17, 16, 63, 64)))


@case("global_max_pool", "in pieces", smooth=False, directions=1)
def global_max_pool_pieces(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct_in_windows(rng, (67, 65, 16, 16), 16))
