"""The machine that a training step runs on: its cores, its BLAS threads and the memory it keeps.

This is all that `nn`, `optim` and `training` know about the CPU backend.
"""

from minicap.backend.cpu.allocator import keep_freed_memory
from minicap.backend.cpu.pieces import by_pieces
from minicap.backend.cpu.threads import blas, blas_threads, core_count, in_parts, one_blas_thread

__all__ = [
    "blas",
    "blas_threads",
    "by_pieces",
    "core_count",
    "in_parts",
    "keep_freed_memory",
    "one_blas_thread",
]
