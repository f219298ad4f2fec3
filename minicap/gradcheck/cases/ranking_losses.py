"""Cases for minicap.layers.ranking_losses.  Scores are multiples of a step that never just meets a margin."""

import numpy as np

from minicap.gradcheck.case import Inputs, case, distinct

_LABELS = np.array([[1, 0, 0, 1, 0], [0, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])


@case("warp_loss", smooth=False)
def warp(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (4, 5), step=0.3), y=_LABELS, rng=3)


@case("warp_loss", "margin 0.4, summed", smooth=False)
def warp_margin(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (4, 5), step=0.3), y=_LABELS, rng=4, margin=0.4, reduction="sum")


@case("pairwise_ranking_loss", smooth=False)
def pairwise(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (4, 4), step=0.2), margin=0.5)


@case("pairwise_ranking_loss", "hardest, summed", smooth=False)
def pairwise_hardest(rng: np.random.Generator) -> Inputs:
    return dict(x=distinct(rng, (4, 4), step=0.2), margin=0.5, hardest=True, reduction="sum")
