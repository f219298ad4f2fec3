"""What the processor can do at most: multiply, and bring bytes from memory."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from threadpoolctl import threadpool_limits

_SIDES = (512, 1024, 2048)  # of square matrices
_COPIED = 1 << 28  # bytes, more than caches hold
_ROUNDS = 5


@dataclass(frozen=True)
class Roof:
    """The limits of some threads together.

    flops: multiplications and additions a second in float32 products.  bytes: read and written a second.
    """

    threads: int
    flops: float
    bytes: float

    def at(self, intensity: float) -> float:
        """The most flops a second of work that does so many for a byte."""
        return min(self.flops, intensity * self.bytes)


def measure_roof(
    threads: int, rounds: int = _ROUNDS, sides: Sequence[int] = _SIDES, copied: int = _COPIED
) -> Roof:
    """The best of some rounds of square products and of copies, every thread with work of its own.

    Each thread multiplies by one BLAS thread, as in a shard of a batch.
    """
    sources = np.array_split(np.ones(copied // 4, np.float32), threads)
    copies = [(np.empty_like(source), source) for source in sources]
    with ThreadPoolExecutor(threads) as pool, threadpool_limits(1, user_api="blas"):
        flops = [_product_rate(side, threads, rounds, pool) for side in sides]
        seconds = _best(pool, [_copy(*pair) for pair in copies], rounds)
    return Roof(threads, max(flops), 2 * copied / seconds)


def _product_rate(side: int, threads: int, rounds: int, pool: ThreadPoolExecutor) -> float:
    """flops a second of products of square matrices."""
    repeats = max(1, (1 << 30) // side**3)  # so that starting the threads does not count

    def product() -> Callable[[], None]:
        A, out = np.ones((side, side), np.float32), np.empty((side, side), np.float32)

        def run() -> None:
            for _ in range(repeats):
                np.matmul(A, A, out=out)

        return run

    seconds = _best(pool, [product() for _ in range(threads)], rounds)
    return threads * repeats * 2 * side**3 / seconds


def _copy(target: np.ndarray, source: np.ndarray) -> Callable[[], None]:
    return lambda: np.copyto(target, source)


def _best(pool: ThreadPoolExecutor, works: Sequence[Callable[[], None]], rounds: int) -> float:
    """Seconds until all works, started together, have ended: the least of some rounds after a first."""
    times = []
    for _ in range(rounds + 1):
        started = perf_counter()
        for future in [pool.submit(work) for work in works]:
            future.result()
        times.append(perf_counter() - started)
    return min(times[1:])
