import tomllib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicap.errors import InputError
from minicap.formats import descriptions, from_mapping, nearest, to_toml


@dataclass(frozen=True)
class Kitchen:
    """Where to cook.

    cook: who does it, by name.  pots: how many there are,
    lids not counted.  heat: of the stove, 0 to 3.5 for "high".
    open: whether guests may come; others: never.
    """

    cook: str = "Ada"
    pots: int = 3
    heat: float = 1.5
    open: bool = True

    def __post_init__(self) -> None:
        if self.pots < 0:
            raise InputError("pots must not be negative")


@given(
    # Control characters and characters beyond the first plane, but no lone surrogates, which are no text.
    cook=st.text(st.characters(exclude_categories=["Cs"])),
    pots=st.integers(0, 2**62),
    heat=st.floats(allow_nan=False),
    is_open=st.booleans(),
)
def test_settings_come_back_from_toml_as_they_were(cook, pots, heat, is_open):
    kitchen = Kitchen(cook, pots, heat, is_open)
    assert from_mapping(Kitchen, tomllib.loads(to_toml({"kitchen": kitchen}))["kitchen"]) == kitchen


def test_a_table_each_and_a_line_a_setting():
    text = to_toml({"big": Kitchen(), "small": Kitchen(pots=1)})
    assert text == (
        '[big]\ncook = "Ada"\npots = 3\nheat = 1.5\nopen = true\n\n'
        '[small]\ncook = "Ada"\npots = 1\nheat = 1.5\nopen = true\n'
    )


def test_what_is_left_out_keeps_its_default():
    assert from_mapping(Kitchen, {"pots": 7}) == Kitchen(pots=7)


def test_a_whole_number_passes_for_a_float_and_becomes_one():
    heat = from_mapping(Kitchen, {"heat": 2}).heat
    assert heat == 2.0
    assert type(heat) is float


def test_an_unknown_key_names_the_nearest_known_one():
    with pytest.raises(InputError, match=r'kitchen.toml: unknown key "pot" \(did you mean "pots"\?\)'):
        from_mapping(Kitchen, {"pot": 1}, "kitchen.toml")


def test_a_key_like_no_other_is_just_unknown():
    with pytest.raises(InputError, match=r'unknown key "zzz"$'):
        from_mapping(Kitchen, {"zzz": 1})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"pots": "three"}, "\"pots\" is 'three', a str, but must be int"),
        ({"pots": 3.0}, '"pots" is 3.0, a float, but must be int'),
        ({"pots": True}, '"pots" is True, a bool, but must be int'),
        ({"heat": True}, '"heat" is True, a bool, but must be float'),
        ({"heat": "hot"}, "must be float"),
        ({"open": 1}, "must be bool"),
        ({"cook": ["Ada"]}, "a list, but must be str"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        from_mapping(Kitchen, values)


def test_the_checks_of_the_settings_themselves_are_heard():
    with pytest.raises(InputError, match="pots must not be negative"):
        from_mapping(Kitchen, {"pots": -1})


def test_nearest_is_silent_when_nothing_is_near():
    assert nearest("epoch", ["epochs", "seed"]) == ' (did you mean "epochs"?)'
    assert nearest("qqq", ["epochs", "seed"]) == ""


def test_a_docstring_describes_each_setting():
    assert descriptions(Kitchen) == {
        "cook": "who does it, by name",
        "pots": "how many there are, lids not counted",
        "heat": 'of the stove, 0 to 3.5 for "high"',
    }
