import json
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import numpy as np
import pytest
from training.sweep.small import files_of, make_plan, open_trainer
from training.toy import assert_same_run

from minicap.errors import FormatError, InputError, TrainingError
from minicap.training import RunFolder
from minicap.training.sweep import SweepConfig, finished_runs, sweep

BASE = {"training": {"epochs": 2, "batch_size": 20}}


class AtOnce(Executor):
    """An executor that does its work when it is handed over."""

    def __init__(self):
        self.handed = []

    def submit(self, function, /, *args, **options):
        self.handed.append(args[2].name)  # the folder
        future = Future()
        try:
            future.set_result(function(*args, **options))
        except BaseException as error:
            future.set_exception(error)
        return future


def plan(widths=(2, 3), seeds=(0, 1), tables=BASE):
    return make_plan(SweepConfig(vary={"model": {"width": list(widths)}}, seeds=seeds), tables)


def test_every_run_is_trained_in_a_folder_of_its_own(tmp_path):
    told = []
    outcomes = sweep(plan(), open_trainer, tmp_path, AtOnce(), jobs=1, tell=told.append)
    assert told == outcomes
    for run, result in outcomes:
        epochs = [r for r in RunFolder(tmp_path / run.name).metrics() if "train_loss" in r]
        best = min(epochs, key=lambda record: record["validation_loss"])
        assert (result.monitor, result.falls, result.error) == ("validation_loss", True, "")
        assert (result.value, result.epoch) == (best["validation_loss"], best["epoch"])
    assert outcomes[0].result.value == outcomes[2].result.value != outcomes[1].result.value  # by seed


def test_a_run_is_the_one_that_its_settings_make_alone(tmp_path):
    [run] = plan(widths=(2,), seeds=(3,))
    sweep([run], open_trainer, tmp_path / "sweep", AtOnce())
    alone = RunFolder(tmp_path / "alone")
    open_trainer(run.config, alone).fit()
    assert_same_run(RunFolder(tmp_path / "sweep" / run.name), alone)
    text = (tmp_path / "sweep" / run.name / "config.toml").read_text(encoding="utf-8")
    assert text == run.config.to_toml()


def test_what_is_finished_is_not_done_again_and_new_runs_are_added(tmp_path):
    sweep(plan(), open_trainer, tmp_path, AtOnce())
    before, executor = files_of(tmp_path), AtOnce()
    outcomes = sweep(plan(), open_trainer, tmp_path, executor)
    assert executor.handed == []
    assert len(outcomes) == 4
    assert files_of(tmp_path) == before
    more = plan(widths=(2, 3, 4), seeds=(0, 1, 2))
    assert len(sweep(more, open_trainer, tmp_path, executor)) == 9
    assert len(executor.handed) == 5


def test_a_run_that_was_interrupted_goes_on_where_it_was(tmp_path):
    class Interrupted(KeyboardInterrupt):
        pass

    def stopping(config, run):
        trainer = open_trainer(config, run)
        trainer.callbacks = [lambda *_: (_ for _ in ()).throw(Interrupted())]
        return trainer

    [run] = plan(widths=(2,), seeds=(0,))
    with pytest.raises(Interrupted):
        sweep([run], stopping, tmp_path / "sweep", AtOnce())
    assert finished_runs(tmp_path / "sweep", [run]) == {}
    sweep([run], open_trainer, tmp_path / "sweep", AtOnce())
    sweep([run], open_trainer, tmp_path / "whole", AtOnce())
    assert_same_run(RunFolder(tmp_path / "sweep" / run.name), RunFolder(tmp_path / "whole" / run.name))


def test_another_sweep_is_refused_naming_what_changed_and_changes_nothing(tmp_path):
    sweep(plan(), open_trainer, tmp_path, AtOnce())
    before = files_of(tmp_path)
    longer = {"training": {"epochs": 3, "batch_size": 20}}
    with pytest.raises(InputError, match=r"width=2-seed0: training.epochs was 2 and is 3. Undo that"):
        sweep(plan(tables=longer), open_trainer, tmp_path, AtOnce())
    with pytest.raises(InputError, match=r"width=3-seed0: this sweep has no such run"):
        sweep(plan(widths=(2,)), open_trainer, tmp_path, AtOnce())
    assert files_of(tmp_path) == before
    moved = BASE | {"data": {"path": "elsewhere"}}  # a data set may move
    assert len(sweep(plan(tables=moved), open_trainer, tmp_path, AtOnce())) == 4


def test_one_run_that_fails_loses_no_other_and_is_tried_again(tmp_path):
    runs = plan(widths=(66, 2), seeds=(0,))
    outcomes = sweep(runs, open_trainer, tmp_path, AtOnce())
    failed, good = (outcome.result for outcome in outcomes)
    assert failed.error.startswith("ZeroDivisionError: by width 66 (see ")
    assert "Traceback" in (tmp_path / runs[0].name / "error.txt").read_text(encoding="utf-8")
    assert good.value > 0
    executor = AtOnce()
    sweep(runs, open_trainer, tmp_path, executor)
    assert executor.handed == [runs[0].name]


def test_a_run_that_diverges_says_so_in_a_line(tmp_path):
    wild = {"training": {"epochs": 2, "optimizer": "sgd", "learning_rate": 1e30, "clip_norm": 0.0}}
    [(_, result)] = sweep(plan((2,), (0,), wild), open_trainer, tmp_path, AtOnce())
    assert "Try a smaller learning rate" in result.error
    assert result.value is None


def test_threads_and_processes_find_what_one_run_after_another_finds(tmp_path):
    runs = plan()
    alone = sweep(runs, open_trainer, tmp_path / "alone", AtOnce(), jobs=1)
    with ThreadPoolExecutor(2) as threads:
        beside = sweep(runs, open_trainer, tmp_path / "threads", threads, jobs=2)
    apart = sweep(runs, open_trainer, tmp_path / "processes", jobs=2)
    for found in (beside, apart):
        values, expected = ([outcome.result.value for outcome in some] for some in (found, alone))
        np.testing.assert_allclose(values, expected, rtol=1e-5)  # other cores, another order of sums
        assert [outcome.run.name for outcome in found] == [run.name for run in runs]


def test_a_process_that_dies_ends_the_sweep_with_a_line_and_keeps_what_is_finished(tmp_path):
    runs = plan(widths=(2, 77), seeds=(0,))
    with pytest.raises(TrainingError, match="a process died in the midst of width=77-seed0"):
        sweep(runs, open_trainer, tmp_path, jobs=1)
    assert set(finished_runs(tmp_path, runs)) == {"width=2-seed0"}


def test_a_folder_in_use_and_one_that_cannot_be_are_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot make the folder"):
        sweep(plan(), open_trainer, tmp_path / "file" / "sweep", AtOnce())


@pytest.mark.parametrize("content", ["[]", '{"value": "much"}', "{"])
def test_a_damaged_result_is_named(tmp_path, content):
    [run] = plan((2,), (0,))
    sweep([run], open_trainer, tmp_path, AtOnce())
    path = tmp_path / run.name / "result.json"
    assert set(json.loads(path.read_text(encoding="utf-8"))) >= {"value", "epoch", "seconds"}
    path.write_text(content, encoding="utf-8")
    with pytest.raises((FormatError, InputError), match=r"result\.json"):
        finished_runs(tmp_path, [run])
