"""Cases for minicap.layers.attention."""

import numpy as np

from minicap.gradcheck.case import Inputs, case

_KEYS = np.array([[1, 1, 1, 0], [1, 0, 1, 1]], dtype=bool)
_NO_LOOKING_AHEAD = np.broadcast_to(np.tri(3, 4, dtype=bool), (2, 3, 4))


@case("additive_attention")
def additive_attention(rng: np.random.Generator) -> Inputs:
    return dict(
        h=rng.normal(size=(2, 4, 3)),
        d=rng.normal(size=(2, 6)),
        W1=rng.normal(size=(3, 5)),
        W2=rng.normal(size=(6, 5)),
        b=rng.normal(size=5),
        v=rng.normal(size=5),
    )


@case("additive_attention", "masked")
def additive_attention_masked(rng: np.random.Generator) -> Inputs:
    return additive_attention(rng) | dict(mask=_KEYS)


@case("dot_product_attention")
def dot_product_attention(rng: np.random.Generator) -> Inputs:
    return dict(q=rng.normal(size=(2, 3, 5)), k=rng.normal(size=(2, 4, 5)), v=rng.normal(size=(2, 4, 6)))


@case("dot_product_attention", "keys masked, not scaled")
def dot_product_attention_keys(rng: np.random.Generator) -> Inputs:
    return dot_product_attention(rng) | dict(mask=_KEYS, scaled=False)


@case("dot_product_attention", "queries and keys masked", fixed=("mask",))
def dot_product_attention_masked(rng: np.random.Generator) -> Inputs:
    return dot_product_attention(rng) | dict(mask=_NO_LOOKING_AHEAD.astype(np.float64))


@case("multi_head_attention")
def multi_head_attention(rng: np.random.Generator) -> Inputs:
    return dict(
        q=rng.normal(size=(2, 3, 5)),
        k=rng.normal(size=(2, 4, 7)),
        v=rng.normal(size=(2, 4, 3)),
        Wq=rng.normal(size=(5, 6)),
        Wk=rng.normal(size=(7, 6)),
        Wv=rng.normal(size=(3, 8)),
        Wo=rng.normal(size=(8, 5)),
        heads=2,
    )


@case("multi_head_attention", "masked")
def multi_head_attention_masked(rng: np.random.Generator) -> Inputs:
    return multi_head_attention(rng) | dict(mask=_NO_LOOKING_AHEAD)
