"""Cases for minicap.layers.conv."""

import numpy as np

from minicap.gradcheck.case import Inputs, case


def arrays(rng: np.random.Generator, x: tuple[int, ...], w: tuple[int, ...], bias: bool = True) -> Inputs:
    """An image, filters and a bias."""
    return dict(x=rng.normal(size=x), w=rng.normal(size=w), b=rng.normal(size=w[0]) if bias else None)


@case("conv")
def plain(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 3, 4, 5), (4, 3, 2, 3))


@case("conv", "no bias")
def no_bias(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 3, 4, 5), (4, 3, 3, 2), bias=False)


@case("conv", "stride that does not fit, pad")
def stride_and_pad(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 2, 5, 6), (3, 2, 3, 2)) | dict(stride=(2, 3), pad=(1, 2))


@case("conv", "pad same, stride")
def same(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 1, 5, 6), (3, 1, 2, 3)) | dict(stride=2, pad="same")


@case("conv", "dilation")
def dilation(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 1, 6, 7), (3, 1, 3, 2)) | dict(pad=1, dilation=(2, 3))


@case("conv", "groups")
def groups(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 4, 3, 5), (6, 2, 2, 3)) | dict(pad=1, groups=2)


@case("conv", "depthwise")
def depthwise(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 3, 4, 3), (6, 1, 3, 2)) | dict(pad=1, stride=2, groups=3)


# Large enough for the faster pairs of the NumPy backend, which leave small problems to the textbook.


@case("conv", "large 3x3")
def large_3x3(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (1, 8, 5, 7), (8, 8, 3, 3)) | dict(pad=1)


@case("conv", "large 5x5, no bias")
def large_5x5(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (1, 8, 3, 6), (8, 8, 5, 5), bias=False) | dict(pad=2)


@case("conv", "large 1x1, stride")
def large_1x1(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 26, 4, 6), (27, 26, 1, 1)) | dict(stride=(2, 1))


@case("conv", "large, few channels")
def large_few_channels(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 2, 11, 9), (12, 2, 3, 3)) | dict(stride=(1, 2), pad=(1, 2))


@case("conv", "large depthwise")
def large_depthwise(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 6, 13, 12), (12, 1, 3, 3)) | dict(stride=(1, 2), pad=1, groups=6)


@case("conv", "large, dilation, groups")
def large_dilation(rng: np.random.Generator) -> Inputs:
    options = dict(pad="same", dilation=(2, 1), groups=2)
    return arrays(rng, (1, 18, 6, 5), (8, 9, 2, 4)) | options


@case("conv", "equal samples, channels and filters")
def square(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (3, 3, 3, 3), (3, 3, 3, 3)) | dict(pad=1)


@case("conv", "many samples, stride 3")
def many(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (19, 1, 4, 5), (2, 1, 2, 1)) | dict(stride=(3, 3))


# More columns than are made at a time, and enough work for two threads.


@case("conv", "in pieces", directions=1)
def pieces(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (9, 16, 32, 31), (20, 16, 3, 3)) | dict(pad=1)


@case("conv", "in pieces, 1x1", directions=1)
def pieces_1x1(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (9, 48, 29, 28), (52, 48, 1, 1))


@case("conv", "in pieces, few channels", directions=1)
def pieces_few_channels(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (9, 3, 43, 42), (24, 3, 5, 5)) | dict(pad=2)


@case("conv", "in pieces, dilation, groups", directions=1)
def pieces_dilation(rng: np.random.Generator) -> Inputs:
    options = dict(pad="same", dilation=(2, 1), groups=2)
    return arrays(rng, (9, 16, 32, 31), (20, 8, 3, 4)) | options
