"""Cases for minicap.layers.normalization."""

import numpy as np

from minicap.gradcheck.case import Inputs, case

RUNNING = ("running_mean", "running_var")


def _with_parameters(rng: np.random.Generator, shape: tuple[int, ...], size: int) -> Inputs:
    return dict(x=1 + 2 * rng.normal(size=shape), gamma=rng.normal(size=size), beta=rng.normal(size=size))


def _with_statistics(rng: np.random.Generator, shape: tuple[int, ...], size: int, train: bool) -> Inputs:
    statistics = dict(running_mean=rng.normal(size=size), running_var=rng.uniform(0.5, 2, size=size))
    return _with_parameters(rng, shape, size) | statistics | dict(train=train)


@case("batchnorm", "train", fixed=RUNNING)
def batchnorm_train(rng: np.random.Generator) -> Inputs:
    return _with_statistics(rng, (5, 3), 3, train=True)


@case("batchnorm", "eval", fixed=RUNNING)
def batchnorm_eval(rng: np.random.Generator) -> Inputs:
    return _with_statistics(rng, (5, 3), 3, train=False)


@case("batchnorm", "large eps", fixed=RUNNING)
def batchnorm_large_eps(rng: np.random.Generator) -> Inputs:
    return _with_statistics(rng, (5, 3), 3, train=True) | dict(eps=0.5)


@case("spatial_batchnorm", "train", fixed=RUNNING)
def spatial_batchnorm_train(rng: np.random.Generator) -> Inputs:
    return _with_statistics(rng, (2, 3, 4, 5), 3, train=True)


@case("spatial_batchnorm", "eval", fixed=RUNNING)
def spatial_batchnorm_eval(rng: np.random.Generator) -> Inputs:
    return _with_statistics(rng, (2, 3, 4, 5), 3, train=False)


@case("layernorm")
def layernorm(rng: np.random.Generator) -> Inputs:
    return _with_parameters(rng, (3, 5), 5)


@case("layernorm", "sequence")
def layernorm_sequence(rng: np.random.Generator) -> Inputs:
    return _with_parameters(rng, (2, 3, 5), 5) | dict(eps=0.1)


@case("groupnorm")
def groupnorm(rng: np.random.Generator) -> Inputs:
    return _with_parameters(rng, (3, 6, 2, 4), 6) | dict(groups=2)


@case("groupnorm", "one group")
def groupnorm_one_group(rng: np.random.Generator) -> Inputs:
    return _with_parameters(rng, (2, 4, 3, 5), 4) | dict(groups=1, eps=0.1)


@case("groupnorm", "instance")
def groupnorm_instance(rng: np.random.Generator) -> Inputs:
    return _with_parameters(rng, (2, 4, 3, 5), 4) | dict(groups=4)


# Enough entries for two threads.


@case("batchnorm", "in pieces", fixed=RUNNING, directions=1)
def batchnorm_pieces(rng: np.random.Generator) -> Inputs:
    return _with_statistics(rng, (4200, 255), 255, train=True)


@case("spatial_batchnorm", "in pieces", fixed=RUNNING, directions=1)
def spatial_batchnorm_pieces(rng: np.random.Generator) -> Inputs:
    return _with_statistics(rng, (17, 16, 63, 64), 16, train=True)


@case("layernorm", "in pieces", directions=1)
def layernorm_pieces(rng: np.random.Generator) -> Inputs:
    return _with_parameters(rng, (105, 40, 255), 255)
