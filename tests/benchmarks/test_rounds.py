import pytest

from benchmarks.quiet import QuietFilter
from benchmarks.rounds import Rounds, run_rounds


class Machine:
    """A clock and a processor; `others` cores are used beside the worker."""

    now = all = 0.0
    others = 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def busy(self):
        return self.all

    def used_by(self, pid):
        return 0.0


class Side:
    """Takes a second for each of its given times; `loads` are the cores that others use meanwhile."""

    pid = 1

    def __init__(self, name, times, machine, log, loads=()):
        self.name, self.times, self.machine, self.log = name, list(times), machine, log
        self.loads = list(loads)

    def time(self, seconds):
        self.log.append(self.name)
        self.machine.now += 1
        self.machine.all += self.loads.pop(0) if self.loads else 0
        return self.times.pop(0)


def measured(count, ours, theirs, loads=(), patience=100):
    machine, log = Machine(), []
    quiet = QuietFilter(machine, patience, machine.clock, machine.sleep)
    sides = {
        "minicap": Side("minicap", ours, machine, log),
        "torch": Side("torch", theirs, machine, log, loads),
    }
    return run_rounds(sides, count, quiet, seconds=0.3), log


def test_the_ratio_is_the_median_of_the_rounds_not_the_ratio_of_the_medians():
    rounds, _ = measured(3, ours=[1, 2, 4], theirs=[4, 2, 6])
    ratio, _spread = rounds.ratio("minicap", "torch")
    assert ratio == 1.5  # of 4, 1 and 1.5; the medians alone would give 2
    assert rounds.seconds("minicap") == 2


def test_the_spread_is_the_quartiles():
    rounds = Rounds([{"minicap": 1.0, "torch": float(t)} for t in (1, 2, 3, 4, 5)])
    assert rounds.ratio("minicap", "torch") == (3.0, (2.0, 4.0))


def test_one_round_has_no_spread():
    rounds, _ = measured(1, ours=[2], theirs=[3])
    assert rounds.ratio("minicap", "torch") == (1.5, (1.5, 1.5))


def test_the_order_of_the_sides_turns_round():
    _, log = measured(2, ours=[1, 1], theirs=[1, 1])
    assert log == ["minicap", "torch", "torch", "minicap"]


def test_a_disturbed_round_is_done_again():
    rounds, _ = measured(1, ours=[1, 1], theirs=[9, 2], loads=[0.5, 0])
    assert rounds.times == [{"minicap": 1, "torch": 2}]
    assert (rounds.discarded, rounds.disturbed) == (1, 0)


def test_rounds_under_load_are_kept_and_counted_when_patience_is_used_up():
    always = [0.5] * 50
    rounds, _ = measured(2, ours=[1] * 50, theirs=[2] * 50, loads=always, patience=5)
    assert len(rounds.times) == 2
    assert rounds.disturbed == 2
    assert 1 <= rounds.discarded <= 5
    assert rounds.others == pytest.approx(0.5)


def test_a_side_that_fails_ends_the_rounds():
    with pytest.raises(IndexError):
        measured(2, ours=[1], theirs=[1])
