"""Work divided among threads inside one layer, for calls that are not in a shard already.

A fast convolution makes thousands of small matrix products.  A threaded BLAS would split each of them and
wait for the slower half every time; with one BLAS thread and the batch split once, the threads only wait for
each other at the end.  A call may use as many threads as BLAS has been given: all cores unless
OPENBLAS_NUM_THREADS or threadpoolctl says otherwise, and one inside a shard, where the shards already run in
parallel.
"""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import copy_context
from functools import cache
from typing import Any, TypeVar

from threadpoolctl import ThreadpoolController

T = TypeVar("T")

LEAST_PRODUCTS = 1 << 23  # multiplications per part; fewer would be done before another thread has started
PRODUCTS_AN_ENTRY = 16  # what a pass over memory costs, in multiplications

_lock = threading.Lock()
_inside = 0
_threads_before = 1


def in_parts(work: Callable[[slice], T], length: int, products: int) -> list[T]:
    """Run work(part) for all parts of a batch or of rows in parallel; results come in the parts' order.

    products: multiplications in all, which decide how many parts are worth a thread.
    """
    with one_blas_thread() as allowed:
        count = max(1, min(allowed, length, products // LEAST_PRODUCTS))
        parts = [slice(length * i // count, length * (i + 1) // count) for i in range(count)]
        waiting = [_pool(allowed).submit(copy_context().run, work, part) for part in parts[1:]]
        try:
            first = work(parts[0])
        finally:
            wait(waiting)
        return [first, *(future.result() for future in waiting)]


@contextmanager
def one_blas_thread() -> Iterator[int]:
    """One BLAS thread for all calls inside; yields the previous number."""
    global _inside, _threads_before
    with _lock:
        if not _inside:
            _threads_before = blas_threads()
            _set_blas_threads(1)
        _inside += 1
        # A concurrent call from another thread shares the cores with this one.
        allowed = _threads_before if _inside == 1 else 1
    try:
        yield allowed
    finally:
        with _lock:
            _inside -= 1
            if not _inside:
                _set_blas_threads(_threads_before)


def core_count() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def blas_threads() -> int:
    """How many threads BLAS may use; 1 for a BLAS that does not say."""
    return max((library.num_threads for library in _libraries()), default=1) or 1


def _set_blas_threads(count: int) -> None:
    if count != blas_threads():
        for library in _libraries():
            library.set_num_threads(count)


@cache
def blas() -> ThreadpoolController:
    """The libraries of NumPy's BLAS, found once: that takes longer than most layers."""
    return ThreadpoolController().select(user_api="blas")


def _libraries() -> list[Any]:
    return blas().lib_controllers


@cache
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=max(1, count - 1), thread_name_prefix="minicap-part")
