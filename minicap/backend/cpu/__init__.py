"""Faster pairs for NumPy arrays."""

from minicap.arrays.dispatch import Override
from minicap.backend.cpu import (
    affine,
    conv,
    gelu,
    losses,
    normalization,
    pointwise,
    pooling,
    recurrent,
    sandwiches,
    temporal,
    updates,
)

OVERRIDES: tuple[Override, ...] = (
    *affine.OVERRIDES,
    *conv.OVERRIDES,
    *gelu.OVERRIDES,
    *losses.OVERRIDES,
    *normalization.OVERRIDES,
    *pointwise.OVERRIDES,
    *pooling.OVERRIDES,
    *recurrent.OVERRIDES,
    *sandwiches.OVERRIDES,
    *temporal.OVERRIDES,
    *updates.OVERRIDES,
)
