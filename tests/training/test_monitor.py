from dataclasses import replace

import pytest
from training.toy import assert_same_run, make_trainer

from minicap.errors import InputError
from minicap.formats import load_checkpoint
from minicap.training import TrainingConfig
from minicap.training.monitor import Monitor


@pytest.mark.parametrize(
    ("name", "direction", "falls"),
    [
        ("validation_loss", "auto", True),
        ("train_loss", "auto", True),
        ("perplexity", "auto", True),
        ("top5_error", "auto", True),
        ("cider", "auto", False),
        ("f1", "auto", False),
        ("accuracy", "auto", False),
        ("cider", "min", True),
        ("validation_loss", "max", False),
    ],
)
def test_losses_and_errors_are_to_fall_scores_to_rise_unless_told_otherwise(name, direction, falls):
    monitor = Monitor(name, direction)
    assert monitor.falls == falls
    assert (monitor.rank(0.1, 1.0) < monitor.rank(0.2, 1.0)) == falls
    assert (monitor.rank(0.2, 1.0) < monitor.rank(0.1, 1.0)) != falls


def test_what_decides_is_said_in_words():
    assert Monitor("accuracy").in_words("val") == "accuracy on val"
    assert Monitor("validation_loss").in_words("val") == "loss on val"
    assert Monitor("train_loss").in_words("") == "training loss"


@pytest.mark.parametrize("name", ["loss", "f1"])
def test_equal_values_are_told_apart_by_their_loss(name):
    rank = Monitor(name).rank
    assert rank(0.5, 0.9) < rank(0.5, 1.0) < rank(0.5, 1.1)


def test_a_value_that_nobody_records_is_an_error_that_names_those_recorded():
    record = {"step": 1, "epoch": 1, "train_loss": 2.0, "seconds": 3.0, "cider": 0.5}
    message = (
        r'monitor "cidr" is not recorded.*\(did you mean "cider"\?\); an epoch records train_loss, cider$'
    )
    with pytest.raises(InputError, match=message):
        Monitor("cidr").value(record)
    assert Monitor("cider").value(record) == 0.5


def test_a_value_that_is_not_finite_cannot_decide():
    with pytest.raises(InputError, match='monitor "f1" is not a finite number'):
        Monitor("f1").value({"f1": None})


CONFIG = TrainingConfig(epochs=6, batch_size=50, learning_rate=3e-3, shards=1)


def scripted(name, values):
    """A `measure` that says these values, one after every epoch."""
    return lambda trainer: {name: values[trainer.position.epoch]}


def epoch_of_best(trainer):
    return load_checkpoint(trainer.run.best).progress["epoch"]


@pytest.mark.parametrize(
    ("name", "direction", "best"),
    [("f1", "auto", 3), ("f1", "min", 1), ("word_error", "auto", 1), ("word_error", "max", 3)],
)
def test_the_best_checkpoint_is_that_of_the_best_value(tmp_path, name, direction, best):
    config = replace(CONFIG, monitor=name, monitor_direction=direction)
    values = [0.1, 0.2, 0.9, 0.4, 0.8, 0.8]
    trainer = make_trainer(tmp_path, config, size=100, measure=scripted(name, values))
    records = trainer.fit()
    assert [record[name] for record in records] == values
    assert epoch_of_best(trainer) == best


def test_training_stops_when_patience_ends(tmp_path):
    config = replace(CONFIG, monitor="f1", patience=2)
    measure = scripted("f1", [0.1, 0.5, 0.4, 0.3, 0.9, 0.9])
    trainer = make_trainer(tmp_path, config, size=100, measure=measure)
    assert [record["epoch"] for record in trainer.fit()] == [1, 2, 3, 4]
    assert trainer.finished
    assert epoch_of_best(trainer) == 2


def test_equally_good_epochs_are_told_apart_by_their_validation_loss(tmp_path):
    config = replace(CONFIG, monitor="f1", epochs=4)
    trainer = make_trainer(tmp_path, config, size=100, measure=scripted("f1", [0.1, 0.5, 0.5, 0.5]))
    losses = [record["validation_loss"] for record in trainer.fit()]
    assert epoch_of_best(trainer) == 1 + losses.index(min(losses[1:])) > 2
    assert trainer.position.loss_of_best == min(losses[1:])


def test_patience_goes_on_where_an_interrupted_run_left_it(tmp_path):
    config = replace(CONFIG, monitor="f1", patience=3, epochs=4)
    measure = scripted("f1", [0.5, 0.4, 0.4, 0.4, 0.4, 0.4])
    make_trainer(tmp_path, replace(config, epochs=3), size=100, measure=measure).fit()
    again = make_trainer(tmp_path, replace(config, epochs=6), size=100, measure=measure)
    again.resume()
    assert again.position.waited == 2
    assert [record["epoch"] for record in again.fit()] == [1, 2, 3, 4]


def test_a_run_that_stopped_early_stays_stopped_and_more_patience_lets_it_go_on(tmp_path):
    config = replace(CONFIG, monitor="f1", patience=1)
    measure = scripted("f1", [0.5, 0.4, 0.4, 0.4, 0.4, 0.4])
    make_trainer(tmp_path, config, size=100, measure=measure).fit()
    for patience, epochs in ((1, 2), (3, 4)):
        again = make_trainer(tmp_path, replace(config, patience=patience), size=100, measure=measure)
        again.resume()
        assert len(again.fit()) == epochs


def test_a_monitor_that_nobody_records_costs_no_training(tmp_path):
    config = replace(CONFIG, monitor="cidr", epochs=2)
    trainer = make_trainer(tmp_path / "run", config, size=100, measure=scripted("cider", [0.1, 0.2]))
    message = (
        r'monitor "cidr" is not recorded.*an epoch records train_loss, learning_rate, validation_loss, cider'
    )
    with pytest.raises(InputError, match=message):
        trainer.fit()
    config = replace(config, monitor="cider")
    again = make_trainer(tmp_path / "run", config, size=100, measure=scripted("cider", [0.1, 0.2]))
    again.resume()
    assert again.position.step == 2
    again.fit()
    whole = make_trainer(tmp_path / "whole", config, size=100, measure=scripted("cider", [0.1, 0.2]))
    whole.fit()
    assert_same_run(again.run, whole.run)


def test_with_another_monitor_the_best_is_sought_anew(tmp_path):
    values = [0.3, 0.2, 0.1, 0.25, 0.1, 0.1]
    make_trainer(tmp_path, replace(CONFIG, epochs=3), size=100, measure=scripted("f1", values)).fit()
    config = replace(CONFIG, monitor="f1")
    again = make_trainer(tmp_path, config, size=100, measure=scripted("f1", values))
    again.resume()
    assert (again.position.best, again.position.waited) == (None, 0)
    again.fit()
    assert epoch_of_best(again) == 4


def test_a_value_that_is_not_finite_is_recorded_as_none_and_cannot_decide(tmp_path):
    measure = scripted("f1", [0.5, float("nan"), 0.4])
    records = make_trainer(tmp_path / "a", replace(CONFIG, epochs=3), size=100, measure=measure).fit()
    assert [record["f1"] for record in records] == [0.5, None, 0.4]
    watching = make_trainer(tmp_path / "b", replace(CONFIG, monitor="f1"), size=100, measure=measure)
    with pytest.raises(InputError, match="is not a finite number"):
        watching.fit()
    assert load_checkpoint(watching.run.last).progress["step"] == 4
