"""How a side is timed, its memory counted and its answer fetched: on the CPU, in CuPy, in PyTorch on a GPU.

On a GPU time lies between two events of the device, so that it ends when the work does; memory is what the
library holds of the device's, its cache included.
"""

from collections.abc import Callable
from time import perf_counter
from typing import Any, Protocol

from benchmarks.memory import forget_peak, peak_memory
from minicap.arrays import to_host

Run = Callable[[], object]


class Device(Protocol):
    """Where a side works.  least: runs that a time is the median of, at the least."""

    least: int

    def seconds(self, run: Run) -> float:
        """Of one run."""

    def forget_peak(self) -> None:
        """Let the peak start anew from what is in use now, where that can be."""

    def peak(self) -> int | None:
        """The most memory so far, in bytes; None where the system does not say."""

    def to_host(self, array: Any) -> Any:
        """What numpy.asarray can read."""


class Host:
    """The CPU.  clock: seconds."""

    least = 1

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self.clock = clock

    def seconds(self, run: Run) -> float:
        started = self.clock()
        run()
        return self.clock() - started

    def forget_peak(self) -> None:
        forget_peak()

    def peak(self) -> int | None:
        return peak_memory()

    def to_host(self, array: Any) -> Any:
        return array


class CupyDevice:
    """A GPU through CuPy."""

    least = 20

    def __init__(self, cupy: Any) -> None:
        self.cuda, self.pool = cupy.cuda, cupy.get_default_memory_pool()

    def seconds(self, run: Run) -> float:
        start, end = self.cuda.Event(), self.cuda.Event()
        start.record()
        run()
        end.record()
        end.synchronize()
        return self.cuda.get_elapsed_time(start, end) / 1e3

    def forget_peak(self) -> None:
        self.pool.free_all_blocks()

    def peak(self) -> int | None:
        return int(self.pool.total_bytes())  # grows only, until blocks are freed

    def to_host(self, array: Any) -> Any:
        return to_host(array)


class TorchDevice:
    """A GPU through PyTorch."""

    least = 20

    def __init__(self, torch: Any) -> None:
        self.torch, self.cuda = torch, torch.cuda

    def seconds(self, run: Run) -> float:
        start, end = (self.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3

    def forget_peak(self) -> None:
        self.cuda.empty_cache()
        self.cuda.reset_peak_memory_stats()

    def peak(self) -> int | None:
        return int(self.cuda.max_memory_reserved())

    def to_host(self, array: Any) -> Any:
        return array.detach().cpu() if isinstance(array, self.torch.Tensor) else array
