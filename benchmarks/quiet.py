"""Wait for a quiet machine, and notice when others used the processor during a measurement.

Linux counts the processor time of everybody in /proc/stat and that of a process in /proc/PID/stat; the
rest belongs to others.  Elsewhere there is no such filter.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

R = TypeVar("R")

_LOOK = 0.1  # seconds of a look at the machine
_QUIET = 0.2  # of a core: with less in use the machine is quiet
DISTURBED = 0.08  # of a core: with more in others' use a measurement does not count
_SETTLE = 0.25  # seconds that thread pools of the side before may go on spinning, where there is no filter


class Processor(Protocol):
    """Counters of processor time, in seconds."""

    def busy(self) -> float:
        """Of all cores together, since some moment in the past."""

    def used_by(self, pid: int) -> float:
        """Of one process with its threads."""


class LinuxProcessor:
    """The counters of /proc; they move in ticks of 10 ms."""

    def __init__(self) -> None:
        self.ticks = os.sysconf("SC_CLK_TCK")

    def busy(self) -> float:
        with open("/proc/stat", encoding="ascii") as file:
            counts = [int(count) for count in file.readline().split()[1:9]]
        _user, _nice, _system, idle, waiting, *_ = counts
        return (sum(counts) - idle - waiting) / self.ticks

    def used_by(self, pid: int) -> float:
        # The name in the second field may hold blanks and brackets.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / self.ticks


def this_processor() -> Processor | None:
    """The counters of this machine, None where there are none."""
    return LinuxProcessor() if Path("/proc/stat").exists() else None


class QuietFilter:
    """Waits for quiet and judges measurements, until the patience of a case is used up.

    patience: seconds that a case may spend on waiting and on rounds that were discarded.  After that
    everything is taken as it comes, and the rows say so.
    """

    def __init__(
        self,
        processor: Processor | None,
        patience: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.processor, self.patience, self.clock, self.sleep = processor, patience, clock, sleep
        self.left = patience

    def start_case(self) -> None:
        """A new case has all the patience again."""
        self.left = self.patience

    def wait(self) -> None:
        """Until a look finds the machine quiet, or patience is used up.  A quiet machine costs none."""
        if self.processor is None:
            self.sleep(_SETTLE)
            return
        while True:
            before = self.processor.busy()
            self.sleep(_LOOK)
            if self.processor.busy() - before <= _QUIET * _LOOK or self.left <= 0:
                return
            self.spend(_LOOK)

    def watch(self, pid: int, work: Callable[[], R]) -> tuple[R, float]:
        """Let the process pid do its work.  Returns its result and the cores that others used meanwhile."""
        if self.processor is None:
            return work(), 0.0
        busy, used, started = self.processor.busy(), self.processor.used_by(pid), self.clock()
        result = work()
        elapsed = max(self.clock() - started, 1e-9)
        others = self.processor.busy() - busy - (self.processor.used_by(pid) - used)
        return result, max(0.0, others / elapsed)

    def discards(self, others: float) -> bool:
        """Whether a measurement with that much use by others is to be done again."""
        return others > DISTURBED and self.left > 0

    def spend(self, seconds: float) -> None:
        """Take seconds off the patience of this case."""
        self.left -= seconds
