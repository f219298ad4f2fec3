"""Batch and layer normalisation a piece at a time, so that every array is read from memory once a pass."""

from minicap.backend.cpu.normalization.batchnorm import BATCHNORM
from minicap.backend.cpu.normalization.layernorm import LAYERNORM

OVERRIDES = (BATCHNORM, LAYERNORM)
