"""The faster pairs of the CuPy backend: CUDA kernels in place of many array operations."""

from minicap.arrays.dispatch import Override
from minicap.backend.gpu import (
    activations,
    affine,
    attention,
    conv,
    dropout,
    embedding,
    gru,
    losses,
    lstm,
    normalization,
    pooling,
    rnn,
    small_conv,
    soft_attention,
    softmax,
    updates,
)

OVERRIDES: tuple[Override, ...] = (
    *activations.OVERRIDES,
    *affine.OVERRIDES,
    *small_conv.OVERRIDES,  # before conv: the first that takes the arguments is taken
    *conv.OVERRIDES,
    *pooling.OVERRIDES,
    *normalization.OVERRIDES,
    *dropout.OVERRIDES,
    *lstm.OVERRIDES,
    *gru.OVERRIDES,
    *rnn.OVERRIDES,
    *losses.OVERRIDES,
    *softmax.OVERRIDES,
    *embedding.OVERRIDES,
    *attention.OVERRIDES,
    *soft_attention.OVERRIDES,
    *updates.OVERRIDES,
)
