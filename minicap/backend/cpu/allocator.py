"""Memory that the process keeps from one training step to the next."""

import ctypes
import os
from functools import cache

# malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_NEVER = (1 << 31) - 1
_LARGEST_BLOCK = 1 << 30


@cache
def keep_freed_memory() -> bool:
    """Let glibc's malloc keep freed large blocks for the rest of this process; return whether it does.

    Every step asks for the same blocks again.  By default, freed blocks go back to the system and return as
    pages that must be mapped and cleared one by one, which takes a tenth of a CNN2 step and more than a
    quarter of a LeNet step.  The price is that a process keeps the most memory it ever needed.  One pool
    for all threads needs less than one for each.
    Other C libraries offer nothing similar.  MINICAP_KEEP_MEMORY=0 leaves malloc as it is.
    """
    if os.environ.get("MINICAP_KEEP_MEMORY") == "0":
        return False
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", ()):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    settings = {_M_MMAP_THRESHOLD: _LARGEST_BLOCK, _M_TRIM_THRESHOLD: _NEVER, _M_ARENA_MAX: 1}
    accepted = [mallopt(name, value) == 1 for name, value in settings.items()]
    return all(accepted)
