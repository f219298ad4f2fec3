"""Cases for minicap.layers.embedding."""

import numpy as np

from minicap.gradcheck.case import Inputs, case

_WORDS = np.array([[3, 1, 3, 0], [0, 3, 5, 5], [4, 0, 0, 3]])


@case("embedding", "repeated words")
def embedding(rng: np.random.Generator) -> Inputs:
    return dict(ids=_WORDS, table=rng.normal(size=(6, 5)))


@case("embedding", "one word per sample")
def embedding_flat(rng: np.random.Generator) -> Inputs:
    return dict(ids=np.array([2, 0, 2], dtype=np.int32), table=rng.normal(size=(4, 5)))


@case("embedding", "padding index, some words unused")
def embedding_padding(rng: np.random.Generator) -> Inputs:
    return dict(ids=_WORDS, table=rng.normal(size=(7, 5)), padding_index=2)
