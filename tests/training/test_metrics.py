from dataclasses import replace

import numpy as np
import pytest
from training.toy import Points, arrays_of, assert_same_run, make_model, make_trainer

from minicap.errors import InputError
from minicap.nn import Affine, Sequential, Supervised
from minicap.training import RunFolder, Trainer, TrainingConfig
from minicap.training.metrics import as_numbers, set_metrics

CONFIG = TrainingConfig(epochs=2, batch_size=30, shards=1)


def accuracy(scores, y):
    return float((scores.argmax(axis=1) == y).mean())


def test_a_metric_is_that_of_the_whole_set_not_a_mean_over_batches(tmp_path):
    seen = []

    def largest(scores, y):
        seen.append((type(scores), scores.shape, y.shape))
        return scores.max()

    model = Supervised(make_model().net, metrics={"accuracy": accuracy, "largest": largest})
    validation = Points(100, seed=1)  # batches of 30, 30, 30 and 10
    trainer = Trainer(model, Points(60), CONFIG, RunFolder(tmp_path), validation)
    records = trainer.fit()
    scores = model(validation.x)
    assert records[-1]["accuracy"] == accuracy(scores, validation.y)
    assert records[-1]["largest"] == pytest.approx(float(scores.max()), rel=1e-6)
    assert seen == [(np.ndarray, (100, 3), (100,))] * 2


def test_metrics_are_measured_where_the_model_lives(backend):
    model = Supervised(Sequential(Affine(10, 3)), metrics={"accuracy": accuracy}).initialize(0)
    points = Points(20)
    batches = [points.batch(np.arange(a, a + 10)) for a in (0, 10)]
    found = set_metrics(model, batches)
    assert 0 <= found["accuracy"] <= 1


def test_a_metric_may_decide_which_epoch_is_the_best(tmp_path):
    model = Supervised(make_model().net, metrics={"accuracy": accuracy})
    config = replace(CONFIG, epochs=4, monitor="accuracy", learning_rate=0.01)
    trainer = Trainer(model, Points(300), config, RunFolder(tmp_path), Points(100, seed=1))
    records = trainer.fit()
    assert trainer.position.best == max(record["accuracy"] for record in records)


def test_numbers_of_any_kind_become_floats(backend):
    found = as_numbers({"a": np.float32(0.5), "b": backend.from_host(np.array(2.0)), "c": 3, "d": np.inf}, ())
    assert found == {"a": 0.5, "b": 2.0, "c": 3.0, "d": None}
    assert {type(value) for value in found.values()} == {float, type(None)}


@pytest.mark.parametrize("value", ["good", None, np.zeros(2), [1.0]])
def test_what_is_no_number_is_named(value):
    with pytest.raises(InputError, match=r'the metric "f1" is .* but must be a number'):
        as_numbers({"f1": value}, ())


def test_a_metric_may_not_take_a_name_of_the_trainers(tmp_path):
    trainer = make_trainer(tmp_path, CONFIG, size=60, measure=lambda trainer: {"train_loss": 0.0})
    with pytest.raises(InputError, match='a metric cannot be called "train_loss"'):
        trainer.fit()


def fail_once(failures):
    """A `measure` that fails in its second epoch, as often as it is told to."""

    def measure(trainer):
        if trainer.position.epoch == 1 and failures:
            failures.pop()
            raise ZeroDivisionError
        return {"f1": 0.5}

    return measure


def test_a_measure_that_fails_loses_no_training_and_is_asked_again(tmp_path):
    config = replace(CONFIG, epochs=3)
    trainer = make_trainer(tmp_path / "run", config, size=90, measure=fail_once([1]))
    with pytest.raises(ZeroDivisionError):
        trainer.fit()
    again = make_trainer(tmp_path / "run", config, size=90, measure=fail_once([]))
    again.resume()
    assert (again.position.step, again.position.epoch) == (6, 1)
    again.fit()
    whole = make_trainer(tmp_path / "whole", config, size=90, measure=fail_once([]))
    whole.fit()
    assert_same_run(again.run, whole.run)


def test_a_callback_that_fails_loses_nothing(tmp_path):
    config = replace(CONFIG, epochs=3)

    def callback(trainer, record):
        if record["epoch"] == 2:
            raise ZeroDivisionError

    trainer = make_trainer(tmp_path / "run", config, size=90, callbacks=[callback])
    with pytest.raises(ZeroDivisionError):
        trainer.fit()
    whole = make_trainer(tmp_path / "whole", config, size=90)
    records = whole.fit()
    again = make_trainer(tmp_path / "run", config, size=90)
    again.resume()
    assert again.position.epoch == 2
    assert [record["epoch"] for record in again.fit()] == [1, 2, 3] == [r["epoch"] for r in records]
    assert_same_run(again.run, whole.run)
    assert arrays_of(again.run.last)
