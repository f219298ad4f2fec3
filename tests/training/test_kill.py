"""Runs killed without warning go on as if nothing had happened."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from training import toy

from minicap.training import RunFolder

SCRIPT = str(Path(toy.__file__))


def start(run: Path, *args: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, SCRIPT, str(run), *args])


def steps_recorded(run: Path) -> int:
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b'"loss"') if path.exists() else 0


def test_a_run_killed_at_random_moments_ends_with_the_same_bits(tmp_path):
    whole = toy.make_trainer(tmp_path / "whole", toy.KILLABLE)
    whole.fit()
    rng, run = np.random.default_rng(11), tmp_path / "killed"
    for kill in range(2):
        process = start(run)
        target = steps_recorded(run) + int(rng.integers(1, 40))
        while steps_recorded(run) < target and process.poll() is None:
            time.sleep(0.001)
        time.sleep(float(rng.uniform(0, 0.004)))
        process.kill()
        assert process.wait() != 0, f"the run ended before kill {kill}"
    assert start(run, "5").wait() != 0
    # It died with a checkpoint half in place.
    assert len(list((run / "checkpoints").glob(".minicap-*.tmp"))) >= 1
    assert steps_recorded(run) < 150
    assert start(run).wait() == 0
    toy.assert_same_run(RunFolder(run), whole.run)
