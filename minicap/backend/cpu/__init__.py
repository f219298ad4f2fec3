"""Faster pairs for NumPy arrays."""

from minicap.backend.cpu import (
    affine,
    conv,
    normalization,
    pointwise,
    pooling,
    recurrent,
    sandwiches,
    temporal,
)
from minicap.backend.dispatch import Override

OVERRIDES: tuple[Override, ...] = (
    *affine.OVERRIDES,
    *conv.OVERRIDES,
    *normalization.OVERRIDES,
    *pointwise.OVERRIDES,
    *pooling.OVERRIDES,
    *recurrent.OVERRIDES,
    *sandwiches.OVERRIDES,
    *temporal.OVERRIDES,
)
