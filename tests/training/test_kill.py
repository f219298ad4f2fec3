"""Runs of every kind, killed without warning, go on as if nothing had happened."""

import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from processes import start_python
from training import runs, toy

from minicap.training import RunFolder


def start(kind: str, run: Path, *args: str) -> subprocess.Popen:
    tests = str(Path(runs.__file__).parents[1])
    path = os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))
    return start_python("-m", "training.runs", kind, run, *args, env={**os.environ, "PYTHONPATH": path})


def steps_recorded(run: Path) -> int:
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b'"loss"') if path.exists() else 0


@pytest.mark.parametrize("kind", runs.KINDS)
def test_a_run_killed_at_random_moments_ends_with_the_same_bits(tmp_path, kind):
    whole = runs.KINDS[kind](tmp_path / "whole")
    whole.fit()
    steps = whole.position.step
    rng, run = np.random.default_rng(11), tmp_path / "killed"
    for kill in range(2):
        process = start(kind, run)
        target = steps_recorded(run) + int(rng.integers(1, steps // 4))
        while steps_recorded(run) < target and process.poll() is None:
            time.sleep(0.001)
        time.sleep(float(rng.uniform(0, 0.004)))
        process.kill()
        assert process.wait() != 0, f"the run ended before kill {kill}"
    assert start(kind, run, "5").wait() != 0
    # It died with a checkpoint half in place.
    assert len(list((run / "checkpoints").glob(".minicap-*.tmp"))) >= 1
    assert steps_recorded(run) < steps
    assert start(kind, run).wait() == 0
    toy.assert_same_run(RunFolder(run), whole.run)


@pytest.mark.parametrize(
    ("kind", "metric", "least"),
    [("augmented_classifier", "accuracy", 0.65), ("multi_label", "f1", 0.6), ("reinforced", "reward", 0.6)],
)
def test_these_runs_learn(tmp_path, kind, metric, least):
    records = runs.KINDS[kind](tmp_path).fit()
    assert max(record[metric] for record in records) > least


def test_the_attention_captioner_learns(tmp_path):
    records = runs.attention_captioner(tmp_path).fit()
    assert records[-1]["validation_loss"] < 0.9 * records[0]["validation_loss"]
