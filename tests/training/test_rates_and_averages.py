"""What the Trainer does about plateaus, batches that grow, and averages of the weights."""

from dataclasses import replace

import numpy as np
import pytest
from training.toy import Points, assert_same_run, make_model, make_trainer

from minicap.errors import FormatError, InputError
from minicap.formats import Checkpoint, load_checkpoint, save_checkpoint
from minicap.nn import Affine, BatchNorm, Sequential, Supervised
from minicap.optim import Group, Lookahead, cosine
from minicap.training import RunFolder, Trainer, TrainingConfig

CONFIG = TrainingConfig(epochs=3, batch_size=25, learning_rate=0.01, shards=1)


def rates_and_sizes(trainer):
    """The learning rate and the batch size of every step of a run."""
    step, loss, rates, sizes = trainer.rule.step, trainer.model.loss, [], []

    def stepping(params, grads):
        rates.append(trainer.rule.learning_rate)
        step(params, grads)

    def losing(batch, train=True, rng=None, count=None):
        if train:
            sizes.append(len(batch["x"]))
        return loss(batch, train, rng, count)

    trainer.rule.step, trainer.model.loss = stepping, losing
    trainer.fit()
    return rates, sizes


def monitored(values):
    """Measures these values, one an epoch."""
    left = iter(values)
    return lambda trainer: {"score": next(left)}


VALUES = (3.0, 4.0, 4.0, 3.5, 4.0, 5.0, 4.9, 4.8, 4.7)


def test_the_rate_falls_by_its_factor_after_every_stretch_without_a_new_best(tmp_path):
    config = replace(CONFIG, epochs=9, plateau=2, plateau_factor=0.5, monitor="score", optimizer="sgd")
    rates, _ = rates_and_sizes(make_trainer(tmp_path, config, size=25, measure=monitored(VALUES)))
    factors = [1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25]  # 4.0 after two epochs, 5.0 after six are the best
    np.testing.assert_allclose(rates, 0.01 * np.array(factors), rtol=1e-12)


def test_plateaus_are_pytorchs(tmp_path):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    config = replace(CONFIG, epochs=9, plateau=2, plateau_factor=0.3, monitor="score", optimizer="sgd")
    rates, _ = rates_and_sizes(make_trainer(tmp_path, config, size=25, measure=monitored(VALUES)))
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.01)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(  # its patience is one epoch less
        optimizer, "max", factor=0.3, patience=1, threshold=0.0
    )
    for rate, value in zip(rates, VALUES, strict=True):
        assert rate == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
        theirs.step(value)


def test_plateaus_go_with_any_schedule(tmp_path):
    config = replace(CONFIG, epochs=4, plateau=1, plateau_factor=0.5, schedule="cosine", monitor="score")
    trainer = make_trainer(tmp_path, config, size=25, measure=monitored((2, 1, 3, 4)))
    rates, _ = rates_and_sizes(trainer)
    expected = [0.01 * cosine(4)(step) * factor for step, factor in enumerate((1, 1, 0.5, 0.5))]
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


def test_batches_grow_and_the_schedule_counts_their_steps(tmp_path):
    config = replace(CONFIG, epochs=3, batch_growth=((1, 50), (2, 100)), schedule="cosine", optimizer="sgd")
    rates, sizes = rates_and_sizes(make_trainer(tmp_path, config, size=100))
    assert sizes == [25] * 4 + [50] * 2 + [100]
    np.testing.assert_allclose(rates, [0.01 * cosine(7)(step) for step in range(7)], rtol=1e-12)


def test_every_example_is_seen_once_in_an_epoch_of_grown_batches(tmp_path):
    trainer = make_trainer(tmp_path, replace(CONFIG, batch_growth=((1, 60),)), size=100)
    trainer.position.epoch = 1
    batches = trainer.batches_left()
    assert [len(batch) for batch in batches] == [60, 40]
    assert sorted(np.concatenate(batches)) == list(range(100))


def batch_normed(run, config):
    model = Supervised(Sequential(Affine(10, 8), BatchNorm(8), Affine(8, 3))).initialize(1)
    return Trainer(model, Points(100), config, RunFolder(run), Points(40, seed=1))


def test_the_average_is_evaluated_and_kept_as_the_best(tmp_path):
    trainer = batch_normed(tmp_path, replace(CONFIG, epochs=1, average=0.8, learning_rate=0.05))
    (record,) = trainer.fit()
    own, means = {**trainer.model.params, **trainer.model.state}, trainer.average.means
    last, best = (load_checkpoint(path).model for path in (trainer.run.last, trainer.run.best))
    for name, array in own.items():
        np.testing.assert_array_equal(last[name], array)
        np.testing.assert_array_equal(best[name], means[name])
    assert any((best[name] != last[name]).any() for name in trainer.model.state)
    fast = trainer.evaluate(trainer.validation)
    with trainer.averaged():
        assert trainer.evaluate(trainer.validation) == record["validation_loss"] != fast


def test_the_average_does_not_change_the_training(tmp_path):
    one, other = (batch_normed(tmp_path / str(a), replace(CONFIG, average=a)) for a in (0.0, 0.9))
    one.fit()
    other.fit()
    for name, array in one.model.params.items():
        np.testing.assert_array_equal(other.model.params[name], array)


def test_a_measurement_that_fails_leaves_the_weights_and_not_their_average(tmp_path):
    def broken(trainer):
        raise ZeroDivisionError

    trainer = make_trainer(tmp_path, replace(CONFIG, average=0.9), size=100, measure=broken)
    with pytest.raises(ZeroDivisionError):
        trainer.fit()
    checkpoint = load_checkpoint(trainer.run.last)
    name = "net.affine1.w"
    assert (checkpoint.model[name] != checkpoint.optimizer[f"average/{name}"]).any()


def test_a_run_with_all_of_it_goes_on_bit_for_bit_from_any_step(tmp_path):
    config = replace(CONFIG, epochs=4, batch_growth=((2, 40),), plateau=1, lookahead=3, average=0.9)
    config = replace(
        config, checkpoint_every=1, groups=(Group("*.b", rate_factor=2.0),), schedule="one-cycle"
    )
    whole = make_trainer(tmp_path / "whole", config, size=100)
    whole.fit()
    assert whole.position.step == 4 + 4 + 3 + 3
    for stop in (2, 4, 7, 9, 12):
        part = make_trainer(tmp_path / f"part{stop}", config, size=100)
        part.callbacks = ()
        seen = part.train_step

        def step_or_stop(batch, part=part, seen=seen, stop=stop):
            if part.position.step == stop:
                raise KeyboardInterrupt
            return seen(batch)

        part.train_step = step_or_stop
        with pytest.raises(KeyboardInterrupt):
            part.fit()
        again = make_trainer(tmp_path / f"part{stop}", config, size=100)
        again.resume()
        assert again.position.step == stop
        again.fit()
        assert_same_run(again.run, whole.run)


def test_lookahead_comes_from_the_settings_and_as_an_object(tmp_path):
    named = make_trainer(tmp_path / "named", replace(CONFIG, lookahead=7, lookahead_alpha=0.2))
    given = make_trainer(
        tmp_path / "given", CONFIG, rule=Lookahead(CONFIG.make_rule(), 7, 0.2), fingerprint={}
    )
    for trainer in (named, given):
        trainer.fit()
    for name, array in named.model.params.items():
        np.testing.assert_array_equal(given.model.params[name], array)


@pytest.mark.parametrize("key", ["average/net.affine1.w", "slow/net.affine1.w"])
def test_a_checkpoint_that_lacks_an_average_is_refused_and_changes_nothing(tmp_path, key):
    config = replace(CONFIG, average=0.9, lookahead=3)
    trainer = make_trainer(tmp_path, config, size=100)
    trainer.fit()
    checkpoint = load_checkpoint(trainer.run.last)
    del checkpoint.optimizer[key]
    save_checkpoint(trainer.run.last, Checkpoint(*checkpoint))
    again = make_trainer(tmp_path, config, size=100)
    with pytest.raises(FormatError, match="does not fit this run"):
        again.resume()
    for name, array in make_model().params.items():
        np.testing.assert_array_equal(again.model.params[name], array)
    assert again.rule.arrays() == again.average.arrays() == {}


def test_another_average_is_another_run(tmp_path):
    make_trainer(tmp_path, CONFIG, size=50).fit()
    with pytest.raises(InputError, match=r"training.average was 0.0 and is 0.9"):
        make_trainer(tmp_path, replace(CONFIG, average=0.9), size=50).resume()
