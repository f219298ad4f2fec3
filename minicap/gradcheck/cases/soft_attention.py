"""Cases for minicap.layers.soft_attention."""

import numpy as np

from minicap.gradcheck.case import Inputs, case

_PLACES = np.array([[1, 1, 1, 0], [1, 0, 1, 1]], dtype=bool)
_WORDS = np.array([[1, 1, 1], [1, 1, 0]], dtype=bool)


@case("soft_attention")
def soft_attention(rng: np.random.Generator) -> Inputs:
    return dict(
        features=rng.normal(size=(2, 4, 3)),
        h=rng.normal(size=(2, 6)),
        Wf=rng.normal(size=(3, 5)),
        Wh=rng.normal(size=(6, 5)),
        b=rng.normal(size=5),
        v=rng.normal(size=5),
    )


@case("soft_attention", "gated, masked")
def soft_attention_gated(rng: np.random.Generator) -> Inputs:
    return soft_attention(rng) | dict(w_beta=rng.normal(size=(6, 1)), b_beta=rng.normal(size=1), mask=_PLACES)


@case("soft_attention_step")
def soft_attention_step(rng: np.random.Generator) -> Inputs:
    inputs = soft_attention(rng)
    del inputs["Wf"]
    return inputs | dict(keys=rng.normal(size=(2, 4, 5)))


@case("soft_attention_step", "gated, masked")
def soft_attention_step_gated(rng: np.random.Generator) -> Inputs:
    gate = dict(w_beta=rng.normal(size=(6, 1)), b_beta=rng.normal(size=1))
    return soft_attention_step(rng) | gate | dict(mask=_PLACES)


@case("doubly_stochastic_loss")
def doubly_stochastic(rng: np.random.Generator) -> Inputs:
    return dict(weights=rng.uniform(size=(2, 3, 4)))


@case("doubly_stochastic_loss", "masked, summed")
def doubly_stochastic_masked(rng: np.random.Generator) -> Inputs:
    return dict(weights=rng.uniform(size=(2, 3, 4)), mask=_WORDS, reduction="sum")
