"""Cases for minicap.layers.losses."""

import numpy as np

from minicap.gradcheck.case import Inputs, case, distinct


@case("softmax_loss")
def softmax(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 5)), y=np.array([2, 0, 4, 2]))


@case("softmax_loss", "label smoothing, summed")
def softmax_smoothed(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 5)), y=np.array([2, 0, 4, 2]), label_smoothing=0.3, reduction="sum")


# Scores a multiple of 0.3 apart keep 0.1 away from where a margin of 1 is just met.
@case("svm_loss", smooth=False)
def svm(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (4, 5), step=0.3), y=np.array([2, 0, 4, 2]))


@case("svm_loss", "margin 0.4, summed", smooth=False)
def svm_margin(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (4, 5), step=0.3), y=np.array([3, 1, 1, 4]), margin=0.4, reduction="sum")


@case("sigmoid_bce_loss", fixed=("y",))
def sigmoid_bce(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 5)), y=rng.uniform(size=(4, 5)))


@case("sigmoid_bce_loss", "positives weighted", fixed=("y", "pos_weight"))
def sigmoid_bce_weighted(rng: np.random.Generator) -> Inputs:
    return dict(
        x=rng.normal(size=(4, 5)),
        y=(rng.uniform(size=(4, 5)) < 0.5).astype(float),
        pos_weight=rng.uniform(0.5, 3, size=5),
        reduction="sum",
    )


@case("mse_loss", fixed=("y",))
def mse(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 2, 3)), y=rng.normal(size=(4, 2, 3)))


@case("mse_loss", "summed", fixed=("y",))
def mse_sum(rng: np.random.Generator) -> Inputs:
    return dict(x=rng.normal(size=(4, 5)), y=rng.normal(size=(4, 5)), reduction="sum")
