"""What was tried without success, beside what minicap does instead:  python -m benchmarks.tried

Both run in turn in one process, on arrays as a layer of CNN2 has them.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from statistics import median
from time import perf_counter
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.arguments import add_patience, positive
from benchmarks.cases.steps import normal
from benchmarks.markdown import lines_of
from benchmarks.quiet import QuietFilter, this_processor
from benchmarks.report import duration
from benchmarks.watch import TrainingStep, network_case
from minicap.backend.cpu import gemm
from minicap.backend.cpu.conv.transforms import transforms

Run = Callable[[], object]
ENTRIES, ROW = 1 << 18, 1 << 12  # of a piece that stays in cache


class Trial(NamedTuple):
    """tried, instead: in words.  set_up: makes both ways.  threads: of BLAS, meanwhile."""

    tried: str
    instead: str
    set_up: Callable[[], tuple[Run, Run]]
    threads: int = 1


def rectify_by_where() -> tuple[Run, Run]:
    x, zeros = normal(ENTRIES), np.zeros(ROW, np.float32)
    rows, out = x.reshape(-1, ROW), np.empty((ENTRIES // ROW, ROW), np.float32)
    return lambda: np.where(x > 0, x, np.float32(0)), lambda: np.maximum(rows, zeros, out=out)


def rectify_by_one_zero() -> tuple[Run, Run]:
    x, zeros = normal(ENTRIES // ROW, ROW), np.zeros(ROW, np.float32)
    out = np.empty_like(x)
    return lambda: np.maximum(x, 0, out=out), lambda: np.maximum(x, zeros, out=out)


def mask_by_copy() -> tuple[Run, Run]:
    x = normal(ENTRIES)
    keep, copied, out = x > 0, np.zeros_like(x), np.empty_like(x)

    def copy() -> np.ndarray:
        np.copyto(copied, x, where=keep)
        return copied

    return copy, lambda: np.multiply(x, keep, out=out)


def sum_of_rows() -> tuple[Run, Run]:
    x = normal(ENTRIES // 32, 32)
    ones = np.ones(len(x), np.float32)
    return lambda: x.sum(axis=0), lambda: ones @ x


def one_product() -> tuple[Run, Run]:
    A, B = normal(1 << 14, 32), normal(32, 32)
    whole, out = np.empty_like(A), np.empty_like(A)

    def pieces() -> np.ndarray:
        gemm.times(A, B, out)
        return out

    return lambda: np.matmul(A, B, out=whole), pieces


def transform_by_additions() -> tuple[Run, Run]:
    matrix = transforms(3, np.dtype("float32")).BT
    tiles = normal(len(matrix), ENTRIES // len(matrix))
    out, summed, part = np.empty_like(tiles), np.empty_like(tiles), np.empty_like(tiles[0])

    def additions() -> np.ndarray:
        for row, line in zip(matrix, summed, strict=True):
            line[...] = 0
            for factor, tile in zip(row, tiles, strict=True):
                if factor in (1, -1):
                    (np.add if factor > 0 else np.subtract)(line, tile, out=line)
                elif factor:
                    np.multiply(tile, factor, out=part)
                    np.add(line, part, out=line)
        return summed

    return additions, lambda: np.matmul(matrix, tiles, out=out)


def threads_in_layers() -> tuple[Run, Run]:
    work = network_case("step/cnn2-cifar").work
    return TrainingStep(work, shards=1).run, TrainingStep(work, shards=2).run


TRIALS = (
    Trial("ReLU by `np.where`", "`np.maximum` with a row of zeros", rectify_by_where),
    Trial("`np.maximum(x, 0)`", "`np.maximum` with a row of zeros", rectify_by_one_zero),
    Trial("a mask by `np.copyto(where=)`", "multiplying by the mask", mask_by_copy),
    Trial("`x.sum(axis=0)` for a bias gradient", "a row of ones times x", sum_of_rows),
    Trial("one product (16384, 32) (32, 32)", "the same in pieces", one_product),
    Trial("Winograd's transform by additions of arrays", "by a small matrix product", transform_by_additions),
    Trial("a CNN2 step with 2 threads in every layer", "two shards, a thread each", threads_in_layers, 2),
)


def measure(trial: Trial, rounds: int, seconds: float) -> tuple[float, float]:
    """Seconds of what was tried, and of what is done instead: medians over rounds in turn."""
    with threadpool_limits(trial.threads, user_api="blas"):
        ways = trial.set_up()
        counts = [max(1, round(seconds / _seconds(way, 1))) for way in ways]
        turns = [[_seconds(*turn) for turn in zip(ways, counts, strict=True)] for _ in range(rounds)]
    tried, instead = (median(column) for column in zip(*turns, strict=True))
    return tried, instead


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tried", description="What did not help.")
    parser.add_argument("--rounds", type=positive(int), default=7, help="default: 7")
    parser.add_argument(
        "--seconds", type=positive(float), default=0.2, help="a way runs in a round (default: 0.2)"
    )
    add_patience(parser)
    args = parser.parse_args(argv)
    QuietFilter(this_processor(), args.patience).wait()
    lines = []
    for trial in TRIALS:
        tried, instead = measure(trial, args.rounds, args.seconds)
        times = duration(tried), duration(instead), f"{tried / instead:.1f}"
        lines.append([trial.tried, trial.instead, *times])
    print(lines_of(["tried", "kept", "time, tried", "time, kept", "ratio"], lines))
    return 0


def _seconds(way: Run, count: int) -> float:
    """Of one run among so many, after one to warm up: threads of the way before may go on spinning."""
    way()
    started = perf_counter()
    for _ in range(count):
        way()
    return (perf_counter() - started) / count


if __name__ == "__main__":
    sys.exit(main())
