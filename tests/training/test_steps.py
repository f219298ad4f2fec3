"""What a step is made of: batches with augmentation, arrays left whole, groups, and a step of one's own."""

from dataclasses import replace

import numpy as np
import pytest
from training.toy import Points, make_model, make_trainer

from minicap.arrays.random import RandomStream
from minicap.errors import InputError
from minicap.nn import Affine, Sequential
from minicap.optim import Group, Nesterov, cosine
from minicap.training import RunFolder, StepResult, Trainer, TrainingConfig, sharded_loss
from minicap.training.shards import cut

CONFIG = TrainingConfig(epochs=2, batch_size=25, learning_rate=0.01, shards=1)


class Watched(Points):
    """Points that remember the streams they were given."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.streams = []

    def batch(self, indices, rng=None):
        self.streams.append(rng)
        return super().batch(indices, rng)


def streams_of(tmp_path, name, **changes):
    examples = Watched(50)
    Trainer(make_model(), examples, replace(CONFIG, **changes), RunFolder(tmp_path / name)).fit()
    return examples.streams


def test_every_batch_has_random_numbers_of_its_own_the_same_in_every_run(tmp_path):
    streams = streams_of(tmp_path, "one")
    assert len(set(streams)) == 4  # two epochs of two batches
    assert streams_of(tmp_path, "again", shards=2) == streams
    assert not set(streams_of(tmp_path, "other", seed=1)) & set(streams)
    # Nor are they the streams that the steps draw dropout from.
    assert not {RandomStream(0).child(step) for step in range(100)} & set(streams)


def test_evaluation_is_not_augmented(tmp_path):
    validation = Watched(30)
    Trainer(make_model(), Points(50), CONFIG, RunFolder(tmp_path), validation).fit()
    assert validation.streams == [None] * 4


class WithATable(Points):
    """Points whose batches carry a table that is no sample's."""

    whole = frozenset(["table"])

    def batch(self, indices, rng=None):
        return {"table": np.ones((3, 10), np.float32), **super().batch(indices)}


class Adds:
    """A model that adds a batch's table to its points."""

    def __init__(self):
        self.model = make_model()
        self.tables = []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def loss(self, batch, train=True, rng=None, count=None):
        self.tables.append(batch["table"].shape)
        changed = {"x": batch["x"] + batch["table"].sum(axis=0), "y": batch["y"]}
        return self.model.loss(changed, train, rng, count)


def test_an_array_that_is_declared_whole_reaches_every_shard_uncut(tmp_path):
    model = Adds()
    examples, config = WithATable(50), replace(CONFIG, epochs=1, shards=2)
    Trainer(model, examples, config, RunFolder(tmp_path), WithATable(20)).fit()
    assert set(model.tables) == {(3, 10)}


def test_whole_arrays_do_not_say_how_many_rows_a_batch_has():
    batch = {"table": np.zeros(3), "x": np.arange(10)}
    parts = cut(batch, 2, whole={"table"})
    assert [(row, len(part["x"]), len(part["table"])) for row, part in parts] == [(0, 5, 3), (5, 5, 3)]


def test_whole_arrays_leave_the_loss_as_it_is_in_one_piece():
    examples, model = WithATable(20, dtype=np.float64), Adds()
    model.model.initialize(0, np.float64)
    batch = examples.batch(np.arange(20))
    one, three = (sharded_loss(model, batch, RandomStream(1), n, whole=examples.whole) for n in (1, 3))
    np.testing.assert_allclose(one[0], three[0], rtol=1e-12)


def moved(trainer):
    before = {name: array.copy() for name, array in trainer.model.params.items()}
    trainer.fit()
    return {name: (array != before[name]).any() for name, array in trainer.model.params.items()}


def test_frozen_parameters_stay_and_do_not_count_in_the_norm_of_the_gradients(tmp_path):
    config = replace(CONFIG, groups=(Group("net.affine1.*", frozen=True),), clip_norm=1e-3)
    trainer = make_trainer(tmp_path, config, size=50)
    step, norms = trainer.rule.step, []

    def record(params, grads):
        norms.append(np.sqrt(sum((g.astype(float) ** 2).sum() for g in grads.values())))
        step(params, grads)

    trainer.rule.step = record
    assert moved(trainer) == {
        "net.affine1.w": False,
        "net.affine1.b": False,
        "net.affine2.w": True,
        "net.affine2.b": True,
    }
    np.testing.assert_allclose(norms, 1e-3, rtol=1e-5)  # all of it is left to the parameters that move
    assert not any("affine1" in name for name in trainer.rule.arrays())


def test_a_pattern_that_fits_no_parameter_is_an_error_before_training(tmp_path):
    with pytest.raises(InputError, match=r'group "encoder\.\*" matches no parameter'):
        make_trainer(tmp_path, replace(CONFIG, groups=(Group("encoder.*", 0.1),)))


def test_a_run_with_groups_goes_on_bit_for_bit(tmp_path):
    groups = (Group("*.b", weight_decay=0.0), Group("net.affine2.*", rate_factor=0.1))
    config = replace(CONFIG, groups=groups, weight_decay=0.01, epochs=4, schedule="cosine")
    whole = make_trainer(tmp_path / "whole", config, size=100)
    whole.fit()
    part = make_trainer(tmp_path / "part", config, size=100)
    for _ in range(2):
        part.train_epoch()
        part.end_epoch()
    again = make_trainer(tmp_path / "part", config, size=100)
    again.resume()
    again.fit()
    for name, array in whole.model.params.items():
        np.testing.assert_array_equal(again.model.params[name], array, err_msg=name)


def test_a_rule_and_a_schedule_may_be_given_as_objects(tmp_path):
    rule, rates = Nesterov(0.5, momentum=0.3), []
    trainer = make_trainer(tmp_path, CONFIG, size=100, rule=rule, schedule=cosine(8, floor=0.1))
    assert trainer.rule is rule
    step = rule.step

    def record(params, grads):
        rates.append(rule.learning_rate)
        step(params, grads)

    rule.step = record
    trainer.fit()
    np.testing.assert_allclose(rates, [0.5 * cosine(8, floor=0.1)(i) for i in range(8)], rtol=1e-12)


def test_options_of_rule_and_schedule_come_from_the_settings(tmp_path):
    config = replace(
        CONFIG,
        optimizer="momentum",
        optimizer_options={"momentum": 0.5},
        schedule="step",
        schedule_options={"every": 3, "factor": 0.5},
    )
    trainer = make_trainer(tmp_path, config)
    assert trainer.rule.momentum == 0.5
    assert [trainer.schedule(step) for step in (0, 2, 3, 6)] == [1, 1, 0.5, 0.25]


def test_a_step_of_ones_own_is_recorded_clipped_and_applied(tmp_path):
    seen = []

    def step(trainer, batch, rng):
        seen.append(rng)
        found = trainer.loss(batch, rng)
        grads = {name: 1e6 * grad for name, grad in found.grads.items()}
        return StepResult(7.0, grads, found.count, {"reward": np.float32(0.25)})

    trainer = make_trainer(tmp_path, CONFIG, size=50, step=step)
    assert all(moved(trainer).values())
    steps = [record for record in trainer.run.metrics() if "loss" in record]
    assert [(record["loss"], record["reward"]) for record in steps] == [(7.0, 0.25)] * 4
    assert seen == [RandomStream(0).child(i) for i in range(4)]


def test_a_network_without_a_loss_is_told_what_to_wrap_it_in(tmp_path):
    with pytest.raises(InputError, match=r"a Sequential has no loss .*; wrap it as Supervised\(Sequential"):
        Trainer(Sequential(Affine(10, 3)).initialize(), Points(5), CONFIG, RunFolder(tmp_path))
