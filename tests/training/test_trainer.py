import io
import json
from dataclasses import replace

import numpy as np
import pytest
from training.toy import Points, arrays_of, assert_same_run, make_model, make_trainer

from minicap.captioning import CaptionExamples, Vocabulary
from minicap.errors import FormatError, InputError, TrainingError
from minicap.formats import Checkpoint, load_checkpoint, save_checkpoint
from minicap.nn import Affine, BatchNorm, Sequential, Supervised
from minicap.optim import RULES, SGD, Momentum, Nesterov, cosine
from minicap.training import RunFolder, Trainer, TrainingConfig

CONFIG = TrainingConfig(epochs=4, batch_size=50, learning_rate=3e-3, shards=2)


class Stop(Exception):
    pass


def interrupt_at(trainer, step):
    """Let the trainer fail in its step-th step."""
    train_step, seen = trainer.train_step, 0

    def step_or_stop(batch):
        nonlocal seen
        seen += 1
        if seen == step:
            raise Stop
        return train_step(batch)

    trainer.train_step = step_or_stop


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_in_a_terminal_the_bar_of_an_epoch_makes_room_for_the_line_of_its_callback(tmp_path, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    trainer = make_trainer(
        tmp_path,
        replace(CONFIG, epochs=2),
        callbacks=[lambda _, record: print(f"epoch {record['epoch']} done", file=terminal)],
    )
    trainer.fit()
    left = terminal.getvalue().split("\n")
    assert [text.rsplit("\r", 1)[-1] for text in left] == ["epoch 1 done", "epoch 2 done", ""]
    assert all("epoch" in text.split("\r")[1] for text in left[:2])  # where the bar was


def test_it_learns(tmp_path):
    records = make_trainer(tmp_path, replace(CONFIG, epochs=8)).fit()
    assert [record["epoch"] for record in records] == list(range(1, 9))
    assert records[0]["validation_loss"] > 0.9
    assert records[-1]["validation_loss"] < 0.5
    assert records[-1]["train_loss"] < records[0]["train_loss"] / 2


@pytest.mark.parametrize("optimizer", RULES)
def test_every_optimizer_learns(tmp_path, optimizer):
    rate = {"adam": 3e-3, "adamw": 3e-3, "rmsprop": 3e-3, "adadelta": 1.0}.get(optimizer, 3e-2)
    records = make_trainer(tmp_path, replace(CONFIG, optimizer=optimizer, learning_rate=rate)).fit()
    assert records[-1]["validation_loss"] < records[0]["validation_loss"] - 0.02


def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path):
    config = replace(CONFIG, checkpoint_every=3, schedule="cosine", warmup_steps=5)
    whole = make_trainer(tmp_path / "whole", config)
    whole.fit()
    for step in np.random.default_rng(3).integers(1, 4 * 10 + 1, size=3):
        cut = make_trainer(tmp_path / f"cut{step}", config)
        interrupt_at(cut, step)
        with pytest.raises(Stop):
            cut.fit()
        again = make_trainer(tmp_path / f"cut{step}", config)
        again.model.initialize(99)  # whatever the model was before, the checkpoint has it all
        again.resume()
        assert again.position.step == max(s for s in (*range(0, step, 3), *range(0, step, 10)) if s < step)
        again.fit()
        assert_same_run(again.run, whole.run)


def test_running_statistics_are_resumed_too(tmp_path):
    def trainer(name):
        model = Supervised(Sequential(Affine(10, 8), BatchNorm(8), Affine(8, 3))).initialize(1)
        return Trainer(model, Points(200), replace(CONFIG, checkpoint_every=1), RunFolder(tmp_path / name))

    whole, cut = trainer("whole"), trainer("cut")
    whole.fit()
    interrupt_at(cut, 7)
    with pytest.raises(Stop):
        cut.fit()
    again = trainer("cut")
    again.resume()
    again.fit()
    assert_same_run(again.run, whole.run)


def test_a_run_stopped_between_its_last_step_and_its_checkpoint_has_no_record_twice(tmp_path):
    config = replace(CONFIG, epochs=2, checkpoint_every=5)  # 10 steps an epoch
    whole, cut = make_trainer(tmp_path / "whole", config), make_trainer(tmp_path / "cut", config)
    whole.fit()
    save = cut.save

    def save_but_not_after_the_epoch(name="last"):
        if cut.position.epoch == 1 and name == "last":
            raise Stop
        save(name)

    cut.save = save_but_not_after_the_epoch
    with pytest.raises(Stop):
        cut.fit()
    again = make_trainer(tmp_path / "cut", config)
    again.resume()
    again.fit()
    assert_same_run(again.run, whole.run)


def test_more_epochs_go_on_where_fewer_ended(tmp_path):
    make_trainer(tmp_path / "long", replace(CONFIG, epochs=4)).fit()
    make_trainer(tmp_path / "short", replace(CONFIG, epochs=2)).fit()
    longer = make_trainer(tmp_path / "short", replace(CONFIG, epochs=4))
    longer.resume()
    longer.fit()
    assert_same_run(longer.run, RunFolder(tmp_path / "long"))


def test_resuming_a_finished_run_changes_nothing(tmp_path):
    records = make_trainer(tmp_path, CONFIG).fit()
    before = {
        name: (tmp_path / name).read_bytes() for name in ("metrics.jsonl", "checkpoints/last.safetensors")
    }
    again = make_trainer(tmp_path, CONFIG)
    again.resume()
    assert again.fit() == records
    assert all((tmp_path / name).read_bytes() == content for name, content in before.items())


def test_an_interrupted_trainer_must_resume_before_it_goes_on(tmp_path):
    trainer = make_trainer(tmp_path, replace(CONFIG, checkpoint_every=2))
    interrupt_at(trainer, 8)
    with pytest.raises(Stop):
        trainer.fit()
    with pytest.raises(InputError, match="already holds a run; resume it"):
        trainer.fit()
    trainer.resume()
    assert trainer.position.step == 6
    assert len(trainer.fit()) == CONFIG.epochs


def test_automatic_shards_follow_the_cores_of_where_the_run_began(tmp_path):
    trainer = make_trainer(tmp_path, replace(CONFIG, shards=0, epochs=1))
    trainer.position.cores = 7
    trainer.fit()
    again = make_trainer(tmp_path, replace(CONFIG, shards=0, epochs=2))
    again.resume()
    assert again.position.cores == 7


@pytest.mark.parametrize("rate", [1e30, 1e20])
@pytest.mark.parametrize("clip_norm", [0.0, 5.0])
@pytest.mark.parametrize("validation", [True, False])
def test_a_loss_that_blows_up_stops_the_run_and_keeps_the_last_good_checkpoint(
    tmp_path, rate, clip_norm, validation
):
    config = replace(CONFIG, optimizer="sgd", learning_rate=rate, clip_norm=clip_norm, checkpoint_every=1)
    trainer = make_trainer(tmp_path, config)
    if not validation:
        trainer.validation = None
    with pytest.raises(
        TrainingError, match=r"(at|after) step \d+; stopped. The last good checkpoint is "
    ) as error:
        trainer.fit()
    assert str(trainer.run.last) in str(error.value)
    assert "Try a smaller learning rate" in str(error.value)
    arrays = arrays_of(trainer.run.last)
    assert all(np.isfinite(array).all() for array in arrays.values())
    json_lines = trainer.run.metrics_path.read_text(encoding="utf-8")
    assert "NaN" not in json_lines
    assert "Infinity" not in json_lines


def test_a_nan_in_the_data_is_named_with_its_step(tmp_path):
    trainer = make_trainer(tmp_path, CONFIG)
    trainer.examples.x[:] = np.nan
    with pytest.raises(TrainingError, match="the loss is nan at step 1; stopped"):
        trainer.fit()
    assert load_checkpoint(trainer.run.last).progress["step"] == 0


def test_a_nan_in_the_validation_set_is_told_apart(tmp_path):
    trainer = make_trainer(tmp_path, CONFIG)
    trainer.validation.x[:] = np.nan
    with pytest.raises(TrainingError, match="the validation loss is nan after step 10; stopped"):
        trainer.fit()


def test_a_parameter_that_is_not_finite_is_never_saved(tmp_path):
    trainer = make_trainer(tmp_path, CONFIG)
    trainer.fit()
    trainer.model.net.affine2["b"][1] = np.inf
    before = trainer.run.last.read_bytes()
    with pytest.raises(TrainingError, match=r"net.affine2.b holds inf after step 40; stopped"):
        trainer.save()
    assert trainer.run.last.read_bytes() == before


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path):
    make_trainer(tmp_path, CONFIG).fit()
    before = (tmp_path / "metrics.jsonl").read_bytes()
    with pytest.raises(InputError, match="already holds a run; resume it, or choose another folder"):
        make_trainer(tmp_path, CONFIG).fit()
    assert (tmp_path / "metrics.jsonl").read_bytes() == before


def test_there_must_be_something_to_resume(tmp_path):
    with pytest.raises(InputError, match="has no checkpoint to resume from"):
        make_trainer(tmp_path, CONFIG).resume()


def test_a_checkpoint_of_another_model_is_refused_and_changes_nothing(tmp_path):
    make_trainer(tmp_path, CONFIG).fit()
    other = Supervised(Sequential(Affine(10, 3))).initialize(0)
    before = {name: array.copy() for name, array in other.params.items()}
    trainer = Trainer(other, Points(100), CONFIG, RunFolder(tmp_path))
    with pytest.raises(
        FormatError, match=r"last.safetensors does not fit this run: .*net.affine2.b, net.affine2.w are not"
    ):
        trainer.resume()
    assert all((before[name] == array).all() for name, array in other.params.items())
    assert (trainer.position.step, trainer.rule.step_count, trainer.rule.arrays()) == (0, 0, {})


def test_a_checkpoint_of_another_rule_is_refused(tmp_path):
    make_trainer(tmp_path, CONFIG, rule=Momentum(0.1)).fit()
    with pytest.raises(InputError, match="the rule was Momentum and is Nesterov"):
        make_trainer(tmp_path, CONFIG, rule=Nesterov(0.1)).resume()
    trainer = make_trainer(tmp_path, CONFIG, rule=SGD(0.1), fingerprint={"the rule": "Momentum"})
    with pytest.raises(FormatError, match="does not fit this run: SGD has no slot 'v'"):
        trainer.resume()


@pytest.mark.parametrize("progress", [{}, {"step": 3}, {"rule_steps": 1, "best": None, "colour": "red"}])
def test_a_checkpoint_that_does_not_say_where_its_run_stands_is_refused(tmp_path, progress):
    trainer = make_trainer(tmp_path, CONFIG)
    save_checkpoint(trainer.run.last, Checkpoint(trainer.model.params, {}, progress, {}))
    with pytest.raises(FormatError, match="does not say how far its run had got"):
        trainer.resume()


def test_a_damaged_checkpoint_is_refused(tmp_path):
    trainer = make_trainer(tmp_path, CONFIG)
    trainer.run.last.write_bytes(b"\x00" * 100)
    with pytest.raises(FormatError, match=r"last\.safetensors"):
        trainer.resume()


def test_empty_sets_are_refused(tmp_path):
    run = RunFolder(tmp_path)
    with pytest.raises(InputError, match="the training set is empty"):
        Trainer(make_model(), Points(0), CONFIG, run)
    with pytest.raises(InputError, match="the validation set is empty"):
        Trainer(make_model(), Points(5), CONFIG, run, Points(0))


def test_examples_with_lengths_are_batched_by_them(tmp_path):
    captions = [[["a"] * (1 + n % 9)] for n in range(90)]
    examples = CaptionExamples(np.zeros((90, 4), np.float32), captions, Vocabulary.build([["a"]]))
    trainer = Trainer(make_model(), examples, replace(CONFIG, batch_size=10), RunFolder(tmp_path))
    assert all(np.ptp(examples.lengths[batch]) == 0 for batch in trainer.batches_left())


def test_the_learning_rate_rises_then_follows_its_schedule(tmp_path):
    config = replace(CONFIG, epochs=3, schedule="cosine", warmup_steps=4, learning_rate=0.01)
    trainer, rates = make_trainer(tmp_path, config), []
    step = trainer.rule.step

    def record(params, grads):
        rates.append(trainer.rule.learning_rate)
        step(params, grads)

    trainer.rule.step = record
    trainer.fit()
    expected = [0.01 * (i + 1) / 4 for i in range(4)] + [0.01 * cosine(26)(i) for i in range(26)]
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


def test_gradients_are_clipped(tmp_path):
    trainer, norms = make_trainer(tmp_path, replace(CONFIG, epochs=1, clip_norm=1e-3)), []
    step = trainer.rule.step

    def record(params, grads):
        norms.append(np.sqrt(sum((g.astype(float) ** 2).sum() for g in grads.values())))
        step(params, grads)

    trainer.rule.step = record
    trainer.fit()
    np.testing.assert_allclose(norms, 1e-3, rtol=1e-5)


def test_the_best_checkpoint_is_that_of_the_lowest_validation_loss(tmp_path):
    trainer = make_trainer(tmp_path, replace(CONFIG, epochs=6))
    losses = iter([0.9, 0.5, 0.7, 0.3, 0.4, 0.35])
    trainer.evaluate = lambda examples: next(losses)
    after_epoch = {}
    trainer.callbacks = [
        lambda t, record: after_epoch.update({record["epoch"]: t.model.params["net.affine1.w"].copy()})
    ]
    trainer.fit()
    best = load_checkpoint(trainer.run.best)
    assert (best.progress["epoch"], best.progress["best"]) == (4, 0.3)
    np.testing.assert_array_equal(best.model["net.affine1.w"], after_epoch[4])
    np.testing.assert_array_equal(arrays_of(trainer.run.last)["net.affine1.w"], after_epoch[6])


def test_without_a_validation_set_the_training_loss_decides(tmp_path):
    trainer = Trainer(make_model(), Points(200), CONFIG, RunFolder(tmp_path))
    records = trainer.fit()
    assert all("validation_loss" not in record for record in records)
    assert load_checkpoint(trainer.run.best).progress["best"] == min(r["train_loss"] for r in records)


def test_without_anything_else_measured_the_training_loss_decides_in_place_of_a_score(tmp_path):
    config = replace(CONFIG, monitor="accuracy", monitor_direction="max")
    alone = Trainer(make_model(), Points(200), config, RunFolder(tmp_path))
    assert (alone.monitor.name, alone.monitor.falls) == ("train_loss", True)
    assert make_trainer(tmp_path, config).monitor.name == "accuracy"
    measured = Trainer(
        make_model(), Points(200), config, RunFolder(tmp_path), measure=lambda trainer: {"accuracy": 1.0}
    )
    assert measured.monitor.name == "accuracy"


def test_the_epochs_loss_is_the_mean_over_its_samples(tmp_path):
    trainer = make_trainer(tmp_path, replace(CONFIG, epochs=1, batch_size=300))  # batches of 300 and 200
    [record] = trainer.fit()
    first, second = (r["loss"] for r in trainer.run.metrics() if "loss" in r)
    assert record["train_loss"] == pytest.approx((300 * first + 200 * second) / 500)


def test_the_validation_loss_is_that_of_the_whole_set_without_dropout(tmp_path):
    trainer = make_trainer(tmp_path, replace(CONFIG, batch_size=30))  # 100 points in batches of 30
    whole = {"x": trainer.validation.x, "y": trainer.validation.y}
    assert trainer.evaluate(trainer.validation) == pytest.approx(
        float(trainer.model.loss(whole, train=False)[0])
    )


def test_what_is_measured_is_recorded(tmp_path):
    trainer = make_trainer(tmp_path, CONFIG, measure=lambda trainer: {"cider": np.float32(0.5)})
    assert all(record["cider"] == 0.5 for record in trainer.fit())


def test_callbacks_see_the_epoch_recorded_and_saved(tmp_path):
    seen = []

    def callback(trainer, record):
        assert trainer.run.metrics()[-1] == record
        seen.append((record["epoch"], load_checkpoint(trainer.run.last).progress["epoch"]))

    make_trainer(tmp_path, CONFIG, callbacks=[callback]).fit()
    assert seen == [(1, 1), (2, 2), (3, 3), (4, 4)]


def test_checkpoints_carry_what_the_model_is_about(tmp_path):
    make_trainer(tmp_path, CONFIG, about={"kind": "toy"}).fit()
    assert load_checkpoint(tmp_path / "checkpoints" / "best.safetensors").about == {"kind": "toy"}


def test_metrics_are_json_a_line(tmp_path):
    trainer = make_trainer(tmp_path, CONFIG)
    trainer.fit()
    records = [json.loads(line) for line in trainer.run.metrics_path.read_text(encoding="utf-8").splitlines()]
    assert [r["step"] for r in records if "loss" in r] == list(range(1, 41))
    assert [r["step"] for r in records if "train_loss" in r] == [10, 20, 30, 40]


def test_tensorboard_reads_the_events_of_a_resumed_run_as_one(tmp_path):
    reason = "TensorBoard is the oracle"
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason=reason)
    trainer = make_trainer(tmp_path, replace(CONFIG, checkpoint_every=4))
    interrupt_at(trainer, 20)
    with pytest.raises(Stop):
        trainer.fit()
    trainer.resume()
    trainer.fit()
    events = accumulator.EventAccumulator(str(tmp_path)).Reload()
    losses = [(event.step, event.value) for event in events.Scalars("loss")]
    expected = [(r["step"], r["loss"]) for r in trainer.run.metrics() if "loss" in r]
    assert [step for step, _ in losses] == [step for step, _ in expected]
    np.testing.assert_allclose([loss for _, loss in losses], [loss for _, loss in expected], rtol=1e-6)
    assert len(events.Scalars("validation_loss")) == 4


def test_a_trainer_says_what_it_cannot_train_with(tmp_path):
    x, y = np.ones((4, 10), np.float32), np.zeros(4, int)
    run = RunFolder(tmp_path / "run")
    with pytest.raises(InputError, match=r"the training set is a tuple.*ArrayDataset\(x, y\)"):
        Trainer(make_model(), (x, y), CONFIG, run)
    with pytest.raises(InputError, match="the validation set is a dict"):
        Trainer(make_model(), Points(4), CONFIG, run, {"x": x})
    with pytest.raises(InputError, match=r"run is a str; write RunFolder\(path\)"):
        Trainer(make_model(), Points(4), CONFIG, "run")
    for callbacks in (print, [3]):
        with pytest.raises(InputError, match="callbacks must be a list of functions"):
            Trainer(make_model(), Points(4), CONFIG, run, callbacks=callbacks)
    with pytest.raises(InputError, match="an empty path would be the current folder"):
        RunFolder("")


def test_a_run_ends_after_so_many_steps_within_an_epoch(tmp_path):
    config = TrainingConfig(epochs=3, batch_size=100, steps=7)  # 5 of an epoch
    trainer = make_trainer(tmp_path / "run", config)
    records = trainer.fit()
    assert [record["step"] for record in records] == [5, 7]
    assert trainer.finished
    again = make_trainer(tmp_path / "run", replace(config, steps=12))
    again.resume()
    assert [record["step"] for record in again.fit()] == [5, 7, 12]


def test_the_schedule_ends_with_the_steps(tmp_path):
    config = TrainingConfig(epochs=3, batch_size=100, steps=8, schedule="linear")
    assert make_trainer(tmp_path / "run", config).schedule(8) == 0
