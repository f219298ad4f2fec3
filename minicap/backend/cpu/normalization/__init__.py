"""Batch and layer normalisation a piece at a time, so that each pass reads every array from memory once."""

from minicap.backend.cpu.normalization.batchnorm import BATCHNORM
from minicap.backend.cpu.normalization.layernorm import LAYERNORM

OVERRIDES = (BATCHNORM, LAYERNORM)
