import re

import pytest
from training.sweep.small import make_plan

from minicap.captioning.run import CaptionRunConfig
from minicap.errors import InputError
from minicap.training.sweep import SweepConfig, plan_runs, read_sweep

BASE = {"model": {"name": "narrow", "width": 3}, "training": {"epochs": 1}}


def plan(tables=BASE, **sweep):
    return make_plan(SweepConfig(**sweep), tables)


def test_a_grid_has_every_combination_with_every_seed():
    runs = plan(
        vary={"training": {"learning_rate": [0.1, 0.01]}, "model": {"width": [3, 4, 5]}}, seeds=(0, 7)
    )
    assert len(runs) == 2 * 3 * 2
    tried = {(run.config.training.learning_rate, run.config.model.width, run.seed) for run in runs}
    assert tried == {(rate, width, seed) for rate in (0.1, 0.01) for width in (3, 4, 5) for seed in (0, 7)}
    assert all(run.config.training.seed == run.seed for run in runs)
    assert all(run.config.training.epochs == 1 for run in runs)


def test_settings_that_go_together_are_combined_with_what_varies():
    together = {"name": "fast", "training": {"optimizer": "nesterov", "learning_rate": 0.5}}
    runs = plan(cells=({"name": "usual"}, together), vary={"model": {"width": [3, 4]}})
    found = [(run.cell.label, run.config.training.optimizer, run.config.model.width) for run in runs]
    assert found == [
        ("usual, width=3", "adam", 3),
        ("usual, width=4", "adam", 4),
        ("fast, width=3", "nesterov", 3),
        ("fast, width=4", "nesterov", 4),
    ]


def test_without_a_name_the_settings_of_a_cell_tell_it_apart():
    runs = plan(cells=({"training": {"optimizer": "sgd"}}, {"training": {"optimizer": "adam"}}))
    assert [run.cell.columns for run in runs] == [{"optimizer": "sgd"}, {"optimizer": "adam"}]


def test_settings_of_one_name_in_two_tables_show_their_tables():
    [run] = plan(vary={"data": {"shards": [1]}, "training": {"shards": [2], "batch_size": [3]}})
    assert run.cell.columns == {"data.shards": "1", "training.shards": "2", "batch_size": "3"}


def test_a_setting_called_cell_is_not_taken_for_the_name_of_a_cell():
    several = SweepConfig(cells=({"name": "usual"},), vary={"model": {"cell": ["lstm", "gru"]}})
    runs = plan_runs(CaptionRunConfig, several, {}, "my.toml")
    assert [run.cell.label for run in runs] == ["usual, model.cell=lstm", "usual, model.cell=gru"]
    alone = SweepConfig(vary={"model": {"cell": ["lstm", "gru"]}})
    assert plan_runs(CaptionRunConfig, alone, {}, "my.toml")[0].cell.label == "model.cell=lstm"


def test_another_model_does_not_inherit_the_settings_of_the_usual_one():
    runs = plan(vary={"model": {"name": ["narrow", "deep"]}})
    assert [(run.config.model.name, run.config.model.width) for run in runs] == [("narrow", 3), ("deep", 8)]


def test_a_random_search_draws_different_cells_and_more_samples_only_add_to_them():
    axes = {
        "training": {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}},
        "model": {"width": {"low": 2, "high": 9}},
    }
    few, more = plan(vary=axes, samples=3), plan(vary=axes, samples=20)
    assert len({run.name for run in more}) == 20
    assert [run.name for run in few] == [run.name for run in more[:3]]
    assert all(1e-4 <= run.config.training.learning_rate <= 1e-1 for run in more)
    below = sum(run.config.training.learning_rate < 3e-3 for run in more)
    assert 5 <= below <= 15  # half of a range of logarithms
    assert {run.config.model.width for run in more} <= set(range(2, 10))
    assert plan(vary=axes, samples=3, search_seed=1)[0].name != few[0].name


def test_names_of_folders_are_plain_and_do_not_depend_on_the_rest_of_the_sweep():
    [run] = plan(vary={"training": {"learning_rate": [0.1]}})
    assert run.name == "learning_rate=0.1-seed0"
    odd = plan(cells=({"name": "a/b: <ReLU> | ü" * 20}, {"name": "a/b: <ReLU> ? ü" * 20}))
    for run in odd:
        assert re.fullmatch(r"[A-Za-z0-9.=_+-]{1,100}", run.name)
    assert odd[0].name != odd[1].name


def test_two_cells_that_only_differ_in_case_are_refused():
    with pytest.raises(InputError, match="two cells are called 'relu'"):
        plan(cells=({"name": "ReLU"}, {"name": "relu", "training": {"epochs": 2}}))


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ({"vary": {"training": {"learning_rates": [1]}}}, 'unknown key "learning_rates".*"learning_rate"'),
        ({"vary": {"trainin": {"epochs": [1]}}}, 'unknown table "trainin"'),
        ({"vary": {"model": {"name": ["wide"]}}}, "unknown model 'wide'"),
        ({"vary": {"training": {"epochs": []}}}, "vary.training.epochs must be a list of values$"),
        ({"vary": {"training": {"epochs": 3}}}, "vary.training.epochs must be a list of values$"),
        ({"vary": {"training": {"epochs": {"low": 1, "high": 2}}}}, "a range is for a random search"),
        ({"vary": {"training": {"seed": [1]}}}, "training.seed cannot vary; write seeds"),
        ({"vary": {"training": {"monitor": ["a", "b"]}}}, "the runs have different monitors"),
        ({"vary": {"training": {"epochs": [1, 2]}}, "samples": 3}, "samples is 3 but there are only 2 cells"),
        ({"vary": {"training": {"epochs": {"low": 2, "high": 2}}}, "samples": 1}, "2 to 2 is no range"),
        (
            {"vary": {"training": {"learning_rate": {"low": 0, "high": 2, "log": True}}}, "samples": 1},
            "0 to 2 is no range of logarithms",
        ),
        ({"cells": ({"training": 3},)}, "training is no table of settings; write training.SETTING = 3"),
        ({"cells": ({"name": 3},)}, "the name 3 is no text"),
        ({"seeds": ()}, r"seeds are \[\] but must be different numbers"),
        ({"seeds": (1, 1)}, r"seeds are \[1, 1\] but must be different numbers"),
        ({"seeds": (-1,)}, r"seeds are \[-1\] but must be different numbers, none negative"),
        ({"samples": -1}, "samples and search_seed must not be negative"),
    ],
)
def test_what_cannot_be_swept_is_named(sweep, message):
    with pytest.raises(InputError, match=message):
        plan(**sweep)


def test_a_file_is_a_config_with_a_table_more(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text(
        'application = "small"\n[training]\nepochs = 3\n'
        "[sweep]\nseeds = [1, 2]\nvary.training.learning_rate = [0.1, 0.2]\n"
        "[[sweep.cells]]\nname = 'wide'\nmodel.width = 9\n",
        encoding="utf-8",
    )
    sweep, tables = read_sweep(path)
    assert tables == {"application": "small", "training": {"epochs": 3}}
    labels = [run.cell.label for run in make_plan(sweep, tables)]
    assert labels == ["wide, learning_rate=0.1"] * 2 + ["wide, learning_rate=0.2"] * 2
    path.write_text("[sweep]\nseed = [1]\n", encoding="utf-8")
    with pytest.raises(InputError, match=r'my.toml \[sweep\]: unknown key "seed" \(did you mean "seeds"\?\)'):
        read_sweep(path)


def test_the_settings_of_another_application_are_refused():
    with pytest.raises(InputError, match="holds the settings of a captioner, not of a small"):
        plan({"application": "captioner"})
