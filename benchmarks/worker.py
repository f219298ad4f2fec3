"""A process that runs one side of one case, on orders from a pipe.

An order is a line of JSON, {"order": "set_up"}, "prepare", "answer" or {"order": "time", "seconds": 0.3}; the
reply is one too, {"result": ...} or {"error": "..."}.  The process ends when its input does.
"""

import argparse
import contextlib
import json
import statistics
import sys
from collections.abc import Callable
from typing import Any, TextIO

from benchmarks.case import Case, Task
from benchmarks.devices import Device, Host
from benchmarks.parity import sketch
from benchmarks.places import PLACES, Place


class Worker:
    """Carries out the orders.

    make: sets up the side's task, from scratch at every call.  device: where its work is timed.
    """

    def __init__(self, make: Callable[[], Task], device: Device | None = None) -> None:
        self.make, self.device = make, device or Host()
        self.run: Callable[[], object] | None = None
        self.before: int | None = None  # bytes in use without the task
        self.expected = 0.0

    def set_up(self) -> None:
        """Make the task whose run is timed."""
        self.device.forget_peak()
        self.before = self.device.peak()
        self.run = self.make().run

    def prepare(self) -> dict[str, Any]:
        """Run twice: to warm up (caches, autotuning, compilation), and to see time and memory.

        peak_mb: growth of the memory at its peak during the second run, over its size before the set-up,
        in 10^6 bytes; so it counts inputs, parameters and everything the side keeps.
        """
        assert self.run is not None
        self.run()
        self.device.forget_peak()
        self.expected = self.device.seconds(self.run)
        after = self.device.peak()
        peak = None if self.before is None or after is None else max(0, after - self.before) / 1e6
        return {"seconds": self.expected, "peak_mb": peak}

    def answer(self) -> dict[str, Any]:
        """What the side computes, from a task of its own, as sketches."""
        answer = self.make().answer()
        return {name: sketch(self.device.to_host(array)) for name, array in answer.items()}

    def time(self, seconds: float) -> float:
        """Run for about that long, as often as the device asks for; seconds of one run, the median."""
        assert self.run is not None
        if self.expected < seconds:
            self.run()  # what the side before left in the caches is not this side's fault
        times: list[float] = []
        while sum(times) < seconds or len(times) < self.device.least:
            times.append(self.device.seconds(self.run))
        return statistics.median(times)


def serve(worker: Worker, orders: TextIO, replies: TextIO) -> None:
    """Carry out orders until there are no more; what fails is told, and the next order awaited."""
    actions = {name: getattr(worker, name) for name in ("set_up", "prepare", "answer", "time")}
    for line in orders:
        order = json.loads(line)
        try:
            reply = {"result": actions[order.pop("order")](**order)}
        except Exception as error:  # whatever a library of a peer raises belongs to the table
            text = " ".join(str(error).split())
            reply = {"error": f"{type(error).__name__}: {text}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def main(place: Place, case: Case, side: str, threads: int, accelerate: bool) -> None:
    """Serve on standard input and output; what libraries print goes to standard error."""
    replies, sys.stdout = sys.stdout, sys.stderr
    with contextlib.suppress(KeyboardInterrupt), place.enter(side, threads, accelerate) as device:
        serve(Worker(lambda: place.set_up(side, case.work, threads), device), sys.stdin, replies)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One side of one case; started by benchmarks.process.")
    parser.add_argument("place", choices=PLACES)
    parser.add_argument("side")
    parser.add_argument("case")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--no-accelerate", action="store_true")
    args = parser.parse_args()
    place = PLACES[args.place]
    main(place, place.cases()[args.case], args.side, args.threads, not args.no_accelerate)
