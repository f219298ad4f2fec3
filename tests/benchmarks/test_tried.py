import numpy as np
import pytest

from benchmarks import tried
from benchmarks.tried import TRIALS, Trial, measure


@pytest.mark.parametrize("trial", TRIALS[:-1], ids=lambda trial: trial.set_up.__name__)
def test_both_ways_compute_the_same(trial):
    first, second = (way() for way in trial.set_up())
    np.testing.assert_allclose(first.ravel(), second.ravel(), rtol=1e-4, atol=1e-4)


def test_both_ways_run_in_turn():
    runs = []
    trial = Trial("a", "b", lambda: (lambda: runs.append("a"), lambda: runs.append("b")))
    assert min(measure(trial, rounds=3, seconds=1e-9)) > 0
    assert "".join(runs).endswith("aabb" * 3)


def test_the_command_prints_a_line_for_each(monkeypatch, capsys):
    monkeypatch.setattr(tried, "TRIALS", TRIALS[:2])
    assert tried.main(["--rounds", "1", "--seconds", "0.001", "--patience", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [f"| {trial.tried}" for trial in TRIALS[:2]]


@pytest.mark.parametrize("option", ["--rounds", "--seconds"])
def test_numbers_must_be_positive(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        tried.main([option, "0"])
    assert "0 is not positive" in capsys.readouterr().err
