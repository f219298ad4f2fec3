"""On a device, a step's loss is looked at when the next batch is ready."""

import numpy as np
import pytest
from strict_cupy import StrictArray, counting
from training.toy import Points, make_model, make_trainer

from minicap.arrays import use_backend
from minicap.errors import TrainingError
from minicap.formats import load_checkpoint
from minicap.training import RunFolder, StepResult, Trainer, TrainingConfig
from minicap.training.late import LateLoss

CONFIG = TrainingConfig(epochs=2, batch_size=10, learning_rate=0.01, shards=1, clip_norm=0.0)


def on_device(loss):
    return StepResult(StrictArray(np.float32(loss)[...]), {"w": StrictArray(np.ones(3))}, 4)


def test_a_number_is_looked_at_right_away_and_an_array_once_when_asked_for(strict_cupy):
    seen = []
    late = LateLoss(lambda step, found: seen.append((step, found.loss, found.count, found.grads)))
    late.keep(1, StepResult(0.5, {}, 4))
    assert seen == [(1, 0.5, 4, {})]
    late.keep(2, on_device(0.25))
    assert len(seen) == 1
    late.settle()
    late.settle()
    assert seen[1:] == [(2, 0.25, 4, {})]


@pytest.mark.parametrize("clip_norm", [0.0, 5.0])
def test_a_step_waits_for_nothing(clip_norm, strict_cupy, tmp_path):
    config = TrainingConfig(batch_size=10, clip_norm=clip_norm)
    with use_backend("strict-cupy"):
        trainer = make_trainer(tmp_path, config)
        batch = trainer.examples.batch(np.arange(10))
        trainer.uploads.begin(batch)
        with counting() as counts:
            trainer.train_step(batch)
    assert not counts.stalls
    assert counts.uploads == 0  # the batch is there


@pytest.mark.parametrize(("clip_norm", "read"), [(0.0, 3), (5.0, 6)])
def test_an_epoch_uploads_ahead_and_reads_no_more_than_loss_and_norm(clip_norm, read, strict_cupy, tmp_path):
    config = TrainingConfig(batch_size=10, clip_norm=clip_norm)
    with use_backend("strict-cupy"):
        trainer = make_trainer(tmp_path, config, 30)
        with counting() as counts:
            trainer.train_epoch()
    assert len(trainer.run.metrics()) == 3
    assert counts.stalls == {"to_host": read}  # when the next batch is under way
    assert counts.uploads == 3 * 2


class Watched(Points):
    """Points that remember how many losses had been looked at when a batch was asked for."""

    def __init__(self, size, run):
        super().__init__(size)
        self.run, self.recorded = run, []

    def batch(self, indices, rng=None):
        self.recorded.append(len(self.run.metrics()))
        return super().batch(indices, rng)


@pytest.mark.parametrize(("backend", "recorded"), [("numpy", [0, 1, 2]), ("strict-cupy", [0, 0, 1])])
def test_the_next_batch_is_made_while_a_device_is_at_work(backend, recorded, strict_cupy, tmp_path):
    run = RunFolder(tmp_path)
    with use_backend(backend):
        trainer = Trainer(make_model(), Watched(30, run), CONFIG, run)
        trainer.train_epoch()
    assert trainer.examples.recorded == recorded
    assert [record["step"] for record in run.metrics()] == [1, 2, 3]


class Spoilt(Points):
    """Points whose third batch holds a NaN."""

    def batch(self, indices, rng=None):
        batch = super().batch(indices)
        self.asked = getattr(self, "asked", 0) + 1
        if self.asked == 3:
            batch["x"][0] = np.nan
        return batch


@pytest.mark.parametrize("clip_norm", [0.0, 5.0])
@pytest.mark.parametrize("every", [1, 100])
@pytest.mark.parametrize("backend", ["numpy", "strict-cupy"])
def test_the_step_at_fault_is_named_and_nothing_of_it_saved(backend, every, clip_norm, strict_cupy, tmp_path):
    config = TrainingConfig(epochs=1, batch_size=10, shards=1, clip_norm=clip_norm, checkpoint_every=every)
    with use_backend(backend):
        trainer = Trainer(make_model(), Spoilt(50), config, RunFolder(tmp_path))
        with pytest.raises(TrainingError, match="the loss is nan at step 3; stopped"):
            trainer.fit()
    checkpoint = load_checkpoint(trainer.run.last)
    assert checkpoint.progress["step"] == (2 if every == 1 else 0)
    assert all(np.isfinite(array).all() for array in checkpoint.model.values())
    assert [record["step"] for record in trainer.run.metrics()] == [1, 2]
