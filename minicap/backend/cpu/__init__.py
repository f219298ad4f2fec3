"""Faster pairs for NumPy arrays."""

from minicap.backend.dispatch import Override

OVERRIDES: tuple[Override, ...] = ()
