"""Cases for minicap.layers.pooling."""

import numpy as np

from minicap.gradcheck.case import Inputs, case, distinct


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
