"""A recurrent layer over all steps in one launch, whose blocks wait for each other after each step.

This needs all blocks on the device at once.  If they do not fit, each step is a product and a kernel.
"""

from typing import Any, NamedTuple

import numpy as np

from minicap.arrays.backends import Array, backend_of
from minicap.backend.gpu.launcher import THREADS_PER_BLOCK, Kernel

MOST_UNITS = 512  # of a state
BARRIERS = 256  # as in sequences.cu: one for each set of blocks that share samples
SAMPLES_A_THREAD, CHUNK = 2, 1024  # as in sequences.cu
UNITS_A_BLOCK = (16, 8, 4)  # the first that fits: with more units, fewer blocks read the same state


class Plan(NamedTuple):
    """How a sequence is launched.

    units: numbers of the state that a block owns.  across: blocks that own a whole state.
    """

    blocks: int
    shared_bytes: int
    units: int
    across: int


def plan(kernel: Kernel, like: Array, sizes: dict[str, int], gates: int, states: int) -> Plan | None:
    """The launch of a sequence kernel, or None where its blocks do not fit, or for a single step.

    gates: weights from one number of the state to another.  states: numbers read for each of them.
    """
    N, T, H = sizes["N"], sizes["T"], sizes["H"]
    if T == 1 or H > MOST_UNITS:
        return None
    for units in UNITS_A_BLOCK:
        samples = SAMPLES_A_THREAD * THREADS_PER_BLOCK // units
        tile = CHUNK // samples * states * (samples + 2)
        shared_bytes = (H * units * gates + tile) * like.dtype.itemsize
        across = -(-H // units)
        together = min(-(-N // samples), kernel.room_for(like, shared_bytes) // across, BARRIERS)
        if together:
            return Plan(together * across, shared_bytes, units, across)
    return None


def new_barriers(like: Array) -> Array:
    """Barriers for the launches of a forward and its backward: each leaves them as it found them."""
    return backend_of(like=like).xp.zeros(BARRIERS, dtype=np.int32)


def launch(kernel: Kernel, plan: Plan, **values: Any) -> None:
    """Run all steps of a sequence.  values: the kernel's arguments other than those of the plan."""
    kernel.blocks_together(plan.blocks, plan.shared_bytes, **values, units=plan.units, across=plan.across)
