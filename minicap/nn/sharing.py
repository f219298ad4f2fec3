"""Into how many parts to cut a batch, so that each is worth a thread: the modules decide."""

from collections.abc import Callable
from math import prod
from typing import NamedTuple

from minicap.arrays import Array, backend_of, get_backend

# Multiply-adds that make a shard worth a thread; measured: with half of that, two threads lose to one.
_WORK_OF_A_SHARD = 16_000_000
# Numbers in the state of a recurrent layer, N H; with less, threads wait for the interpreter at every step.
_STATES_OF_A_SHARD = 8_192


class Work(NamedTuple):
    """The work of a module for one sample (or word), and whether sharing it pays.

    multiply_adds: roughly.
    pays: whether shards beat one product on all cores.  For a matrix product they do not: it uses all cores
    anyway, and every shard would make gradients of whole matrices, to be added up.
    state: H, the numbers that a module carries from step to step, if it works step by step; each step must
    be large enough to share.
    """

    multiply_adds: int
    pays: bool = False
    state: int | None = None


def worthwhile_shards(
    work: Callable[[int], list[Work]], batch: dict[str, Array], count: int, most: int
) -> int:
    """As many shards as have enough to do, up to `most`, so that small models do not pay for threads.

    work: of every module, given the pixels of the batch's images.  count: samples, or words.
    Where the batch is not on the CPU, one shard keeps the device busy.
    """
    if backend_of(**batch) is not get_backend("numpy"):
        return 1
    rows = len(next(iter(batch.values())))
    pixels = max((prod(array.shape[2:]) for array in batch.values() if array.ndim == 4), default=1)
    works = work(pixels)
    if not any(each.pays for each in works):
        return 1
    enough = count * sum(each.multiply_adds for each in works) // _WORK_OF_A_SHARD
    steps = [rows * each.state // _STATES_OF_A_SHARD for each in works if each.state is not None]
    return max(1, min([most, enough, *steps]))
