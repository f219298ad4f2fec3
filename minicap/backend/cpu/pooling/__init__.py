"""Pooling by rows and columns: a window of HH x WW takes HH + WW passes where the textbook takes HH * WW."""

from minicap.backend.cpu.pooling.avg_pool import AVG_POOL, GLOBAL_AVG_POOL
from minicap.backend.cpu.pooling.max_pool import MAX_POOL

OVERRIDES = (MAX_POOL, AVG_POOL, GLOBAL_AVG_POOL)
