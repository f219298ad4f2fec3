"""Cases for minicap.layers.shape."""

import numpy as np

from minicap.gradcheck.case import Inputs, case


@case("flatten")
def flatten(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 4)))


@case("concat")
def concat(rng: np.random.Generator) -> Inputs:
    return dict(a=rng.normal(size=(2, 3, 4)), b=rng.normal(size=(2, 5, 4)))


@case("concat", "last axis")
def concat_last_axis(rng: np.random.Generator) -> Inputs:
    return dict(a=rng.normal(size=(2, 3, 4)), b=rng.normal(size=(2, 3, 1)), axis=-1)


@case("concat", "four arrays")
def concat_four(rng: np.random.Generator) -> Inputs:
    a, b, c, d = (rng.normal(size=(2, size, 3)) for size in (1, 4, 2, 3))
    return dict(a=a, b=b, more=(c, d))


@case("split")
def split(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 6, 4)), sizes=(3, 1, 2))


@case("split", "last axis")
def split_last_axis(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 4)), sizes=(1, 3), axis=-1)


@case("add")
def add(rng: np.random.Generator) -> Inputs:
    return dict(a=rng.normal(size=(2, 3, 4)), b=rng.normal(size=(2, 3, 4)))


@case("add", "four arrays")
def add_four(rng: np.random.Generator) -> Inputs:
    a, b, c, d = rng.normal(size=(4, 2, 3))
    return dict(a=a, b=b, more=(c, d))


@case("scale_shift")
def scale_shift(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 4, 5)), scale=rng.normal(size=3), shift=rng.normal(size=3))


@case("scale_shift", "rows")
def scale_shift_rows(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(5, 3)), scale=rng.normal(size=3), shift=rng.normal(size=3))


@case("scale")
def scale(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(2, 3, 4)), factor=-0.3)
