import re
import tomllib
from dataclasses import replace

import numpy as np
import pytest

from minicap.errors import InputError
from minicap.formats import from_mapping, to_toml
from minicap.optim import RULES, SCHEDULES
from minicap.training import TrainingConfig


def test_the_settings_come_back_from_toml():
    config = TrainingConfig(epochs=3, optimizer="momentum", learning_rate=3e-5, clip_norm=float("inf"))
    assert from_mapping(TrainingConfig, tomllib.loads(to_toml({"training": config}))["training"]) == config


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"epochs": 0}, "epochs is 0 but must be at least 1"),
        ({"batch_size": 0}, "batch_size is 0 but must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0 but must be positive"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"weight_decay": -0.1}, "weight_decay is -0.1 but must not be negative"),
        ({"l1": -0.1}, "l1 is -0.1 but must not be negative"),
        ({"optimizer_options": {"l1": 0.1}}, "l1 is a setting of its own, not one of optimizer_options"),
        ({"warmup_steps": -1}, "warmup_steps"),
        ({"plateau": -1}, "plateau is -1 but must not be negative"),
        ({"plateau_factor": 0.0}, "plateau_factor is 0.0 but must be above 0 and at most 1"),
        ({"plateau": 5, "patience": 5}, "plateau is 5, but patience 5 stops training before that"),
        ({"lookahead": -1}, "lookahead is -1 but must not be negative"),
        ({"lookahead_alpha": 1.5}, "lookahead_alpha is 1.5 but must be above 0"),
        ({"average": 1.0}, "average is 1.0 but must be at least 0 and below 1"),
        ({"batch_growth": ((0, 8),)}, r"batch_growth names epochs \[0\], but each must be above"),
        ({"batch_growth": ((4, 8), (4, 9))}, r"batch_growth names epochs \[4, 4\]"),
        ({"batch_growth": ((4, 0),)}, r"batch_growth has sizes \[0\]: each must be at least 1"),
        ({"shards": 10**9}, "shards is 1000000000 but must be at most 1024"),
        ({"clip_norm": float("nan")}, "clip_norm"),
        ({"checkpoint_every": -1}, "checkpoint_every"),
        ({"shards": -1}, "shards"),
        ({"seed": -1}, "seed"),
        ({"optimizer": "adan"}, "unknown optimizer 'adan'"),
        ({"schedule": "up"}, "unknown schedule 'up'"),
    ],
)
def test_values_out_of_range_are_refused(setting, message):
    with pytest.raises(InputError, match=message):
        replace(TrainingConfig(), **setting)


def test_batches_grow_after_the_epochs_they_say():
    config = TrainingConfig(batch_size=10, batch_growth=((2, 25), (3, 100)))
    assert [config.batch_size_after(epochs) for epochs in range(5)] == [10, 10, 25, 100, 100]
    assert [config.steps_after(epochs, 110) for epochs in range(5)] == [11, 11, 5, 2, 2]


def test_batch_growth_comes_back_from_toml():
    config = TrainingConfig(batch_growth=((2, 25), (3, 100)))
    text = to_toml({"training": config})
    assert "batch_growth = [[2, 25], [3, 100]]" in text
    assert from_mapping(TrainingConfig, tomllib.loads(text)["training"]) == config


@pytest.mark.parametrize("name", [*RULES, *SCHEDULES])
def test_its_text_names_every_optimizer_and_every_schedule(name):
    assert TrainingConfig.__doc__ is not None
    assert re.search(rf"\b{name}\b", TrainingConfig.__doc__)


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 1.5}, {"batch_size": "3"}, {"seed": 1.5}, {"monitor_direction": "up"}, {"groups": ("x",)}],
)
def test_settings_of_another_type_are_refused_in_python_too(wrong):
    with pytest.raises(InputError, match=f'TrainingConfig: "{next(iter(wrong))}.* but must be'):
        TrainingConfig(**wrong)


def test_scalars_of_numpy_are_numbers():
    assert TrainingConfig(epochs=np.int64(3), learning_rate=np.float64(0.1)).epochs == 3
