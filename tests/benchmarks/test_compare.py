from dataclasses import replace

import pytest

from benchmarks import command, compare, gpu
from benchmarks.case import Case
from benchmarks.parity import sketch
from benchmarks.peers import PEERS
from benchmarks.process import WorkerFailed
from benchmarks.quiet import QuietFilter

CASE = Case("family/case", "", None, ("torch", "cs231n"), items=10, unit="images")
SETTINGS = compare.Settings(rounds=3, seconds=0.1, threads=2, accelerate=True, scratch="")


class FakeWorker:
    """A worker by the name of its side; `behaviour` says what a side answers, takes, or fails with."""

    pid = 1
    behaviour: dict

    def __init__(self, command, environment, longest):
        self.side, self.open = command[4], True
        FakeWorker.started.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def close(self):
        self.open = False

    def set_up(self):
        if "fails at once" in self.now:
            raise WorkerFailed(self.now["fails at once"])

    def prepare(self):
        if "fails" in self.now:
            raise WorkerFailed(self.now["fails"])
        return {"seconds": 1.0, "peak_mb": self.now["peak"]}

    def answer(self):
        return {"loss": sketch(self.now.get("loss", 2.0))}

    def time(self, seconds):
        if "fails late" in self.now:
            raise WorkerFailed(self.now["fails late"])
        return self.now["time"]

    @property
    def now(self):
        return FakeWorker.behaviour[self.side]


@pytest.fixture
def rows(monkeypatch):
    """Rows of CASE by peer, for behaviour that differs from the normal one."""
    monkeypatch.setattr(compare, "WorkerProcess", FakeWorker)

    def measured(**changes):
        FakeWorker.started = []
        FakeWorker.behaviour = {
            side: {"peak": peak, "time": time} | changes.get(side, {})
            for side, peak, time in (("minicap", 20.0, 0.5), ("torch", 30.0, 1.0), ("cs231n", 90.0, 4.0))
        }
        quiet = QuietFilter(None, 0, sleep=lambda seconds: None)
        found = compare.compare(CASE, list(PEERS.values()), SETTINGS, quiet)
        assert not any(worker.open for worker in FakeWorker.started)
        return {row["peer"]: row for row in found}

    return measured


def test_a_row_has_the_ratio_the_rates_and_the_memory_of_both_sides(rows):
    torch = rows()["torch"]
    assert (torch["ratio"], torch["seconds"], torch["peer_seconds"]) == (2.0, 0.5, 1.0)
    assert (torch["per_second"], torch["peer_per_second"]) == (20, 10)
    assert (torch["peak_mb"], torch["peer_peak_mb"]) == (20, 30)
    assert torch["rounds"] == 3
    assert torch["note"] == "no quiet filter on this system"


def test_only_peers_that_can_do_the_case_have_rows(rows):
    assert list(rows()) == ["torch", "cs231n"]


def test_a_peer_that_fails_has_no_ratio_and_the_others_have(rows):
    found = rows(torch={"fails": "no compiler"})
    assert found["torch"]["ratio"] is None
    assert found["torch"]["note"] == "failed: no compiler"
    assert found["cs231n"]["ratio"] == 8


def test_a_peer_that_computes_something_else_is_not_timed(rows):
    torch = rows(torch={"loss": 2.5})["torch"]
    assert torch["ratio"] is None
    assert torch["note"].startswith("computes something else: loss differs by 2.0e-01")


def test_when_minicap_fails_every_row_says_so(rows):
    found = rows(minicap={"fails": "ShapeError"})
    assert [row["note"] for row in found.values()] == ["failed: ShapeError"] * 2


def test_a_side_that_fails_while_it_is_timed_costs_the_case_alone(rows):
    found = rows(cs231n={"fails late": "killed"})
    assert [row["note"] for row in found.values()] == ["failed while it was timed: killed"] * 2
    assert found["torch"]["ratio"] is None


def test_an_interrupted_run_prints_what_it_has(monkeypatch, capsys, rows):
    done = list(rows().values())
    results = [lambda: done, lambda: (_ for _ in ()).throw(KeyboardInterrupt)]
    monkeypatch.setattr(command, "compare", lambda *args: results.pop(0)())
    assert command.main(["step/cnn2-tiny", "step/cnn2-cifar", "--peers", "cs231n"]) == 130
    captured = capsys.readouterr()
    assert "family/case" in captured.out
    assert "interrupted" in captured.err


def test_a_row_without_a_ratio_makes_the_exit_code_one(monkeypatch, rows, capsys):
    failed = list(rows(torch={"fails": "no compiler"}).values())
    monkeypatch.setattr(command, "compare", lambda *args: failed)
    assert command.main(["step/cnn2-tiny", "--peers", "cs231n"]) == 1
    assert "failed: no compiler" in capsys.readouterr().out


def test_sides_may_set_up_at_once_and_a_peer_has_its_own_side_of_minicap(monkeypatch):
    monkeypatch.setattr(compare, "WorkerProcess", FakeWorker)
    FakeWorker.started = []
    FakeWorker.behaviour = {
        "minicap": {"peak": 1.0, "time": 0.5},
        "minicap-tf32": {"peak": 2.0, "time": 0.25, "loss": 2.02},
        "torch": {"peak": 3.0, "time": 1.0},
        "torch-tf32": {"peak": 4.0, "time": 1.0, "loss": 2.021},
    }
    case = Case("family/case", "", None, tuple(gpu.PEERS), tolerance=1e-4)
    peers = [gpu.PEERS[name] for name in ("torch", "torch-tf32", "floor", "floor-tf32")]
    settings = replace(SETTINGS, place="gpu", at_once=True, device={"gpu": "a GPU"})
    quiet = QuietFilter(None, 0, sleep=lambda seconds: None)
    rows = compare.compare(case, peers, settings, quiet, computed={"floor": 0.1})
    found = {row["peer"]: row for row in rows}
    assert (found["torch"]["ratio"], found["torch-tf32"]["ratio"], found["floor"]["ratio"]) == (2, 4, 0.2)
    assert (found["torch-tf32"]["peak_mb"], found["torch-tf32"]["peer_peak_mb"]) == (2, 4)
    assert found["floor"]["peer_seconds"] == 0.1
    assert found["floor-tf32"]["note"] == "its ceilings were not measured"
    assert found["torch"]["machine"]["gpu"] == "a GPU"
    assert sorted(worker.side for worker in FakeWorker.started) == sorted(FakeWorker.behaviour)
    assert not any(worker.open for worker in FakeWorker.started)


@pytest.mark.parametrize("at_once", [False, True])
def test_when_minicap_cannot_set_up_nobody_else_is_asked_to(monkeypatch, at_once):
    monkeypatch.setattr(compare, "WorkerProcess", FakeWorker)
    FakeWorker.started = []
    FakeWorker.behaviour = {"minicap": {"fails at once": "full"}, "torch": {}}  # torch would fail by itself
    quiet = QuietFilter(None, 0, sleep=lambda seconds: None)
    (row,) = compare.compare(CASE, [PEERS["torch"]], replace(SETTINGS, at_once=at_once), quiet)
    assert row["note"] == "failed: full"
