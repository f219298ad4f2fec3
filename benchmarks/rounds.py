"""Rounds in turn: every side once, so that what slows the machine for a while slows all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

import numpy as np

from benchmarks.quiet import DISTURBED, QuietFilter


class Side(Protocol):
    """One side of a case, in a process of its own."""

    @property
    def pid(self) -> int: ...

    def time(self, seconds: float) -> float:
        """Run for about that long; seconds of one run, the median."""


@dataclass
class Rounds:
    """What the rounds of a case gave.

    times: for each round kept, seconds a run by side.  discarded: rounds done again because others used the
    processor.  disturbed: rounds kept although they did, for patience was used up.
    others: the most cores that others used during a measurement that was kept.
    """

    times: list[dict[str, float]] = field(default_factory=list)
    discarded: int = 0
    disturbed: int = 0
    others: float = 0.0

    def seconds(self, side: str) -> float:
        """The median over the rounds."""
        return float(np.median([times[side] for times in self.times]))

    def ratio(self, side: str, peer: str) -> tuple[float, tuple[float, float]]:
        """The peer's time over the side's, round by round: the median, and the quartiles as its spread."""
        ratios = [times[peer] / times[side] for times in self.times]
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        return float(middle), (float(low), float(high))


def run_rounds(
    sides: Mapping[str, Side],
    count: int,
    quiet: QuietFilter,
    seconds: float,
    after_round: Callable[[], None] = lambda: None,
) -> Rounds:
    """Measure every side in turn, `count` rounds that nobody disturbed.

    The order of the sides turns round from one round to the next.  A disturbed round is discarded at once
    and done again, until the patience of the quiet filter is used up.
    """
    rounds = Rounds()
    names = list(sides)
    while len(rounds.times) < count:
        started, times, most = quiet.clock(), dict[str, float](), 0.0
        for name in names if len(rounds.times) % 2 == 0 else reversed(names):
            quiet.wait()
            times[name], others = quiet.watch(sides[name].pid, partial(sides[name].time, seconds))
            most = max(most, others)
            if quiet.discards(others):
                break
        if len(times) < len(names) or quiet.discards(most):
            rounds.discarded += 1
            quiet.spend(quiet.clock() - started)
            continue
        rounds.times.append(times)
        rounds.disturbed += most > DISTURBED
        rounds.others = max(rounds.others, most)
        after_round()
    return rounds
