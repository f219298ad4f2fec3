"""Cases for minicap.layers.conv_transpose."""

import numpy as np

from minicap.gradcheck.case import Inputs, case


def arrays(rng: np.random.Generator, x: tuple[int, ...], w: tuple[int, ...], F: int | None) -> Inputs:
    """An image, filters and a bias for F channels."""
    return dict(x=rng.normal(size=x), w=rng.normal(size=w), b=rng.normal(size=F) if F else None)


@case("conv_transpose")
def plain(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 3, 4, 2), (3, 5, 3, 2), 5)


@case("conv_transpose", "no bias")
def no_bias(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 3, 4, 2), (3, 5, 2, 3), None)


@case("conv_transpose", "stride, pad, dilation, output_pad")
def options(rng: np.random.Generator) -> Inputs:
    options = dict(stride=(2, 3), pad=(1, 2), dilation=(1, 2), output_pad=(1, 2))
    return arrays(rng, (2, 2, 3, 4), (2, 3, 2, 3), 3) | options


@case("conv_transpose", "groups")
def groups(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (2, 4, 3, 2), (4, 3, 2, 3), 6) | dict(stride=2, groups=2)


@case("conv_transpose", "equal samples, channels and filters")
def square(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (3, 3, 3, 3), (3, 3, 3, 3), 3) | dict(pad=1)


@case("conv_transpose", "many samples, stride 3")
def many(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (19, 1, 2, 3), (1, 2, 2, 1), 2) | dict(stride=(3, 3))


@case("conv_transpose", "in pieces", directions=1)
def pieces(rng: np.random.Generator) -> Inputs:
    return arrays(rng, (9, 20, 32, 31), (20, 16, 3, 3), 16) | dict(pad=1)
