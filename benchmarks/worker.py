"""A process that runs one side of one case, on orders from a pipe.

An order is a line of JSON, {"order": "prepare"}, {"order": "answer"} or {"order": "time", "seconds": 0.3};
the reply is one too, {"result": ...} or {"error": "..."}.  The process ends when its input does.
"""

import argparse
import contextlib
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

from benchmarks.case import Case, Task
from benchmarks.parity import sketch
from benchmarks.peers import as_asked, load, set_up


def peak_memory() -> int | None:
    """The most memory this process has had so far, in bytes; None where the system does not say.

    On Linux without the code of libraries, which is read from their files when first called.  There getrusage
    would be wrong: it starts from the peak of the process that started this one.
    """
    with contextlib.suppress(OSError, KeyError):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        peak, code = (int(sizes[name].split()[0]) * 1024 for name in ("VmHWM", "RssFile"))
        return peak - code
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def forget_peak() -> None:
    """Let the peak start anew from what is in use now, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


class Worker:
    """Carries out the orders.

    make: sets up the side's task, from scratch at every call.  clock: seconds.
    """

    def __init__(self, make: Callable[[], Task], clock: Callable[[], float] = perf_counter) -> None:
        self.make, self.clock = make, clock
        self.run: Callable[[], object] | None = None
        self.expected = 0.0

    def prepare(self) -> dict[str, Any]:
        """Set up and run twice: to warm up (caches, autotuning, compilation), and to see time and memory.

        peak_mb: growth of the process at its peak during the second run, over its size before the set-up,
        in 10^6 bytes; so it counts inputs, parameters and everything the side keeps.
        """
        forget_peak()
        before = peak_memory()
        self.run = self.make().run
        self.run()
        forget_peak()
        self.expected = self._seconds()
        after = peak_memory()
        peak = None if before is None or after is None else max(0, after - before) / 1e6
        return {"seconds": self.expected, "peak_mb": peak}

    def answer(self) -> dict[str, Any]:
        """What the side computes, from a task of its own, as sketches."""
        return {name: sketch(array) for name, array in self.make().answer().items()}

    def time(self, seconds: float) -> float:
        """Run for about that long, at least once; seconds of one run, the median."""
        assert self.run is not None
        if self.expected < seconds:
            self.run()  # what the side before left in the caches is not this side's fault
        times: list[float] = []
        while sum(times) < seconds:
            times.append(self._seconds())
        return statistics.median(times)

    def _seconds(self) -> float:
        assert self.run is not None
        started = self.clock()
        self.run()
        return self.clock() - started


def serve(worker: Worker, orders: TextIO, replies: TextIO) -> None:
    """Carry out orders until there are no more; what fails is told, and the next order awaited."""
    actions = {"prepare": worker.prepare, "answer": worker.answer, "time": worker.time}
    for line in orders:
        order = json.loads(line)
        try:
            reply = {"result": actions[order.pop("order")](**order)}
        except Exception as error:  # whatever a library of a peer raises belongs to the table
            text = " ".join(str(error).split())
            reply = {"error": f"{type(error).__name__}: {text}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def main(case: Case, side: str, threads: int, accelerate: bool) -> None:
    """Serve on standard input and output; what libraries print goes to standard error."""
    replies, sys.stdout = sys.stdout, sys.stderr
    load(side, threads)  # before the first order, so that it is not counted as memory of the case
    with contextlib.suppress(KeyboardInterrupt), as_asked(accelerate):
        serve(Worker(lambda: set_up(side, case.work, threads)), sys.stdin, replies)


if __name__ == "__main__":
    from benchmarks.cases import all_cases

    parser = argparse.ArgumentParser(description="One side of one case; started by benchmarks.process.")
    parser.add_argument("side")
    parser.add_argument("case")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--no-accelerate", action="store_true")
    args = parser.parse_args()
    main(all_cases()[args.case], args.side, args.threads, not args.no_accelerate)
