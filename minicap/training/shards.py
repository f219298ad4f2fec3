"""A shard is the unit of parallel work: a part of a batch, with its own forward and backward."""

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cache
from itertools import pairwise
from typing import Protocol

import numpy as np

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.backend.host import blas, by_pieces, core_count, keep_freed_memory

Batch = dict[str, Array]


class HasLoss(Protocol):
    """What a model must offer to be trained (see minicap.nn.Supervised)."""

    def count(self, batch: Batch) -> int: ...

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, dict[str, Array]]: ...


def cut(batch: Batch, shards: int, whole: Collection[str] = ()) -> list[tuple[int, Batch]]:
    """The batch in parts along its first axis, each with the row it starts at; never an empty part.

    whole: names of arrays that every part gets uncut.
    """
    rows = next(len(array) for name, array in batch.items() if name not in whole)
    bounds = [rows * i // shards for i in range(shards + 1)]
    uncut = {name: batch[name] for name in batch if name in whole}
    return [
        (a, {name: array[a:b] for name, array in batch.items() if name not in whole} | uncut)
        for a, b in pairwise(bounds)
        if b > a
    ]


def sharded_loss(
    model: HasLoss,
    batch: Batch,
    rng: RandomStream,
    shards: int = 1,
    train: bool = True,
    count: int | None = None,
    whole: Collection[str] = (),
) -> tuple[Array, dict[str, Array]]:
    """Loss and gradients of a batch, each shard on its own thread with one BLAS thread.

    Every shard divides by the count of the whole batch and draws the dropout bits of its own rows, so the
    sum, taken in the order of the shards, equals that of the whole batch up to rounding.  A single shard
    runs on this thread with all BLAS threads.
    count: if the caller knows it already; on a GPU, asking a batch for it waits for the device.
    whole: names of arrays of the batch that are not cut.
    """
    keep_freed_memory()
    count = model.count(batch) if count is None else count
    parts = cut(batch, shards, whole)

    def run(row: int, part: Batch) -> tuple[Array, dict[str, Array]]:
        return model.loss(part, train=train, rng=rng._replace(row=rng.row + row), count=count)

    if len(parts) == 1:
        return run(*parts[0])
    # The shards are the parallelism; more BLAS threads would compete for the cores.
    with blas().limit(limits=1):
        waiting = [_threads().submit(copy_context().run, run, row, part) for row, part in parts]
        results = [future.result() for future in waiting]
    loss, grads = results[0]
    grads = dict(grads)
    for other_loss, other in results[1:]:
        loss = loss + other_loss
        for name, grad in other.items():
            grads[name] = _sum(grads[name], grad)
    return loss, grads


def _sum(a: Array, b: Array) -> Array:
    """a + b, on all cores: adding the gradients of large layers moves as much memory as an update."""
    total = np.empty_like(a)
    by_pieces(lambda out, x, y: np.add(x, y, out=out), total, a, b)
    return total


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=core_count(), thread_name_prefix="minicap-shard")
