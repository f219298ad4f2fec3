import json
import tomllib
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicap.errors import InputError
from minicap.formats import descriptions, from_mapping, nearest, parse, to_toml
from minicap.formats.settings import options_of


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
        "open": "whether guests may come; others: never",
    }


@dataclass(frozen=True)
class Spoon:
    size: int
    metal: str = "steel"


@dataclass(frozen=True)
class Menu:
    """What there is."""

    dish: Literal["soup", "stew"] = "soup"
    sizes: tuple[int, ...] = (1, 2)
    pair: tuple[str, float] = ("a", 1.0)
    guests: int | None = None
    spices: dict[str, Any] = field(default_factory=dict)
    spoons: tuple[Spoon, ...] = ()


FULL = Menu(
    "stew", (64, 128), ("b", 0.5), 3, {"salt": 1, "hot": True, "odd name": 0.5}, (Spoon(1), Spoon(2, "tin"))
)


@pytest.mark.parametrize("menu", [Menu(), FULL, Menu(sizes=())])
def test_tuples_choices_optionals_and_tables_come_back_from_toml(menu):
    text = to_toml({"menu": menu})
    assert from_mapping(Menu, tomllib.loads(text)["menu"]) == menu


def test_they_read_well_in_toml():
    assert to_toml({"menu": FULL}) == (
        '[menu]\ndish = "stew"\nsizes = [64, 128]\npair = ["b", 0.5]\nguests = 3\n'
        'spices = {salt = 1, hot = true, "odd name" = 0.5}\n'
        'spoons = [{size = 1}, {size = 2, metal = "tin"}]\n'
    )
    assert 'guests = "none"' in to_toml({"menu": Menu()})


def test_json_has_lists_where_settings_have_tuples():
    assert from_mapping(Menu, json.loads(json.dumps(asdict(FULL)))) == FULL


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dish": "stw"}, "here: \"dish\" is 'stw' but must be one of soup, stew"),
        ({"sizes": [64, "wide"]}, "\"sizes\"\\[1\\] is 'wide', a str, but must be int"),
        ({"sizes": 64}, '"sizes" is 64, an int, but must be a list of int'),
        ({"pair": ["b"]}, r'"pair" is \[\'b\'\], a list, but must be a list of 2: str, float'),
        ({"guests": "many"}, "\"guests\" is 'many', a str, but must be int or none"),
        ({"guests": 2.5}, '"guests" is 2.5, a float, but must be int or none'),
        ({"spices": 3}, '"spices" is 3, an int, but must be a table'),
        ({"spoons": [{"metal": "tin"}]}, r'here "spoons"\[0\]: "size" is missing'),
        ({"spoons": [{"size": 1, "mtal": "tin"}]}, r'unknown key "mtal" \(did you mean "metal"\?\)'),
    ],
)
def test_an_error_names_the_key_its_value_and_what_is_allowed(values, message):
    with pytest.raises(InputError, match=message):
        from_mapping(Menu, values, "here")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("dish", "stew", "stew"),
        ("sizes", "64,128", (64, 128)),
        ("sizes", "64, 128", (64, 128)),
        ("sizes", "[64]", (64,)),
        ("sizes", "", ()),
        ("pair", "b,2", ("b", 2.0)),
        ("guests", "none", None),
        ("guests", "-3", -3),
        ("spices", "salt=1, hot=true", {"salt": 1, "hot": True}),
        ("spoons", '[{size = 1}, {size = 2, metal = "tin"}]', (Spoon(1), Spoon(2, "tin"))),
    ],
)
def test_the_command_line_has_a_word_for_each(name, text, value):
    assert parse(get_type_hints(Menu)[name], text, f"--{name}") == value


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (float, ".5", 0.5),
        (float, "1e-3", 1e-3),
        (float, "inf", float("inf")),
        (bool, "true", True),
        (str, "1", "1"),
    ],
)
def test_plain_values_too(hint, text, value):
    assert parse(hint, text, "--flag") == value


@pytest.mark.parametrize(
    ("hint", "text", "message"),
    [
        (int, "many", "--flag is 'many' but must be int"),
        (int, "1.5", "must be int"),
        (bool, "yes", "must be bool"),
        (tuple[int, ...], "64,wide", "'wide' but must be int"),
        (tuple[int, ...], "[" * 5000, "must be a list of int"),
        (Literal["soup", "stew"], "stw", "must be one of soup, stew"),
        (int | None, "nun", "must be int or none"),
        (dict[str, Any], "salt", "must be a table"),
    ],
)
def test_other_words_are_refused(hint, text, message):
    with pytest.raises(InputError, match=message):
        parse(hint, text, "--flag")


def test_options_are_the_optional_arguments_of_a_function_or_class():
    def cook(total: int, heat: float = 1.0, lid: bool = False) -> None: ...

    assert options_of(cook, {"heat": 2, "lid": True}, "cook") == {"heat": 2.0, "lid": True}
    with pytest.raises(InputError, match='cook: unknown key "total"'):
        options_of(cook, {"total": 3}, "cook")
    with pytest.raises(InputError, match='cook: "lid" is 1, an int, but must be bool'):
        options_of(cook, {"lid": 1}, "cook")
    assert options_of(Spoon, {"metal": "tin"}, "spoon") == {"metal": "tin"}
