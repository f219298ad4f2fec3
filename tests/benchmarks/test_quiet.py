import os

import pytest

from benchmarks.quiet import LinuxProcessor, QuietFilter, this_processor


class Machine:
    """A clock, and a processor on which others use so many cores as `load(seconds)` says."""

    def __init__(self, load=lambda now: 0.0):
        self.now, self.load, self.all, self.own = 0.0, load, 0.0, 0.0

    def clock(self):
        return self.now

    def sleep(self, seconds, own=0.0):
        self.all += (self.load(self.now) + own) * seconds
        self.own += own * seconds
        self.now += seconds

    def busy(self):
        return self.all

    def used_by(self, pid):
        return self.own


def quiet_on(machine, patience=10.0):
    return QuietFilter(machine, patience, machine.clock, machine.sleep)


def test_a_quiet_machine_is_not_waited_for():
    machine = Machine()
    quiet = quiet_on(machine)
    quiet.wait()
    assert machine.now == pytest.approx(0.1)
    assert quiet.left == 10


def test_waits_until_the_others_are_done():
    machine = Machine(lambda now: 1.0 if now < 3 else 0.0)
    quiet = quiet_on(machine)
    quiet.wait()
    assert 3 <= machine.now < 3.3
    assert quiet.left == pytest.approx(7, abs=0.2)


def test_gives_up_when_its_patience_is_used_up():
    machine = Machine(lambda now: 1.0)
    quiet = quiet_on(machine, patience=2)
    quiet.wait()
    assert machine.now == pytest.approx(2.1, abs=0.15)
    assert not quiet.discards(1.0)


def test_every_case_has_all_the_patience():
    quiet = quiet_on(Machine(), patience=2)
    quiet.spend(5)
    quiet.start_case()
    assert quiet.left == 2


def test_tells_the_use_by_others_from_the_workers_own():
    machine = Machine(lambda now: 0.5)
    result, others = quiet_on(machine).watch(1, lambda: machine.sleep(4, own=2.0))
    assert result is None
    assert others == pytest.approx(0.5)


def test_a_measurement_that_others_disturbed_is_discarded():
    quiet = quiet_on(Machine())
    assert quiet.discards(0.5)
    assert not quiet.discards(0.01)


def test_without_counters_everything_counts():
    slept = []
    quiet = QuietFilter(None, 10, sleep=slept.append)
    quiet.wait()
    assert sum(slept) == 0.25
    assert quiet.watch(1, lambda: "done") == ("done", 0.0)


@pytest.mark.skipif(this_processor() is None, reason="needs Linux's /proc/stat")
def test_reads_the_counters_of_linux():
    processor = LinuxProcessor()
    all_before, own_before = processor.busy(), processor.used_by(os.getpid())
    sum(range(3_000_000))
    while processor.used_by(os.getpid()) == own_before:
        sum(range(1_000_000))
    assert processor.busy() > all_before
