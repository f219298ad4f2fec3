from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from minicap.errors import InputError
from minicap.formats import read_toml
from minicap.training import RunConfig


@dataclass(frozen=True)
class Apple:
    name: str = "apple"
    seeds: int = 5


@dataclass(frozen=True)
class Pear:
    name: str = "pear"
    length: float = 1.5


@dataclass(frozen=True)
class Bowl:
    size: int = 3


@dataclass(frozen=True)
class FruitConfig(RunConfig):
    application: ClassVar[str] = "fruiterer"
    registries: ClassVar[Mapping[str, Mapping[str, type[Any]]]] = {"fruit": {"apple": Apple, "pear": Pear}}
    bowl: Bowl = field(default_factory=Bowl)
    fruit: Any = field(default_factory=Apple)


def test_a_table_with_a_registry_has_the_settings_of_its_name():
    assert FruitConfig.tables() == {"bowl": Bowl, "fruit": Apple}
    assert FruitConfig.tables(fruit="pear") == {"bowl": Bowl, "fruit": Pear}
    assert FruitConfig.from_tables({"fruit": {"name": "pear", "length": 2}}, "here").fruit == Pear(length=2.0)


def test_what_is_left_out_has_its_default():
    assert FruitConfig.from_tables({"bowl": {"size": 4}}, "here") == FruitConfig(Bowl(4), Apple())


def test_a_file_says_the_application_first_and_comes_back(tmp_path):
    config = FruitConfig(Bowl(7), Pear(length=3.5))
    (tmp_path / "config.toml").write_text(config.to_toml(), encoding="utf-8")
    assert config.to_toml().splitlines()[0] == 'application = "fruiterer"'
    assert FruitConfig.read(tmp_path / "config.toml") == config
    assert set(read_toml(tmp_path / "config.toml")) == {"application", "bowl", "fruit"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"fruits": {}}, 'here: unknown table "fruits"; the tables are bowl, fruit'),
        ({"bowl": 3}, 'here: unknown table "bowl"'),
        ({"bowl": {"sise": 3}}, r'here \[bowl\]: unknown key "sise" \(did you mean "size"\?\)'),
        (
            {"fruit": {"name": "peer"}},
            r"unknown fruit 'peer' \(did you mean \"pear\"\?\); known: apple, pear",
        ),
        ({"fruit": {"name": 3}}, "unknown fruit 3"),
        ({"application": "baker"}, "here holds the settings of a baker, not of a fruiterer"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(InputError, match=message):
        FruitConfig.from_tables(values, "here")
