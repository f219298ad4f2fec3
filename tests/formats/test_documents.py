"""JSON and TOML of any content are a value or a FormatError."""

import json
import math
import os
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicap.errors import FormatError, InputError
from minicap.formats.documents import entry, parse_json, read_json, read_text, read_toml

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@given(json_values)
def test_what_json_can_say_comes_back_as_it_was(value):
    assert parse_json(json.dumps(value), "here") == value


@given(st.text())
def test_any_text_is_a_value_or_refused(text):
    with suppress(FormatError):
        parse_json(text, "here")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 65 + "]" * 65, "nested too deeply"),
        ('{"a":' * 65 + "1" + "}" * 65, "nested too deeply"),
        ("9" * 5000, "the number 99.* does not fit into 64 bits"),
        ("18446744073709551616", "does not fit into 64 bits"),
        ("-9223372036854775809", "does not fit into 64 bits"),
        ("1e400", "the number 1e400 is too large"),
        ("[-1e999]", "is too large"),
        ("NaN", "NaN is not a JSON number"),
        ("[Infinity]", "Infinity is not a JSON number"),
        (r'"\ud800"', "a lone surrogate is not text"),
        (r'{"\uDFFF": 1}', "a lone surrogate is not text"),
    ],
)
def test_what_would_break_its_reader_later_is_refused(text, says):
    with pytest.raises(FormatError, match=says):
        parse_json(text, "here")


def test_a_pair_of_surrogates_is_a_character():
    assert parse_json(r'"\ud83d\ude00"', "here") == "😀"


def test_sixty_four_levels_are_enough():
    assert parse_json("[" * 64 + "]" * 64, "here") is not None


def test_infinity_may_be_allowed():
    assert parse_json("[NaN, Infinity]", "here", finite=False)[1] == math.inf


def test_a_key_that_comes_twice_is_refused_where_it_matters():
    assert parse_json('{"a": 1, "a": 2}', "here") == {"a": 2}
    with pytest.raises(FormatError, match="duplicate key 'a'"):
        parse_json('{"b": 0, "a": 1, "a": 2}', "here", unique=True)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_does_not_matter(tmp_path, encoding):
    (tmp_path / "a.json").write_text('{"a": "größe"}', encoding=encoding)
    assert read_json(tmp_path / "a.json") == {"a": "größe"}


def test_a_file_that_is_too_long_or_no_text_is_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"abc\xff")
    with pytest.raises(FormatError, match=r"a: longer than 3 bytes"):
        read_text(tmp_path / "a", 3)
    with pytest.raises(FormatError, match=r"a: not text in UTF-8 .* at byte 3"):
        read_text(tmp_path / "a", 4)


@pytest.mark.parametrize("name", ["none", ".", "a" * 5000, "a\0b"])
def test_a_file_that_cannot_be_opened_is_refused(tmp_path, name):
    with pytest.raises(InputError, match="cannot read"):
        read_json(os.path.join(tmp_path, name))


# TOML


def test_toml_is_read_with_and_without_a_byte_order_mark(tmp_path):
    for start in (b"", b"\xef\xbb\xbf"):
        (tmp_path / "a.toml").write_bytes(start + 'name = "größe"\r\n'.encode())
        assert read_toml(tmp_path / "a.toml") == {"name": "größe"}


def test_toml_may_say_infinity(tmp_path):
    (tmp_path / "a.toml").write_text("a = inf\nb = -inf", encoding="utf-8")
    assert read_toml(tmp_path / "a.toml") == {"a": math.inf, "b": -math.inf}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("a = ", "not valid TOML"),
        ("a = 1\na = 2\n", "not valid TOML"),
        ("a = " + "[" * 50_000, "not valid TOML"),
        ("a = " + "[" * 70 + "]" * 70, "nested too deeply"),
        (".".join("a" * 70) + " = 1", "nested too deeply"),
        (".".join("a" * 30_000) + " = 1", "more than 200 dots"),
        ("a = " + "9" * 5000, "not valid TOML"),
        ("a = 99999999999999999999999", "does not fit into 64 bits"),
        ("a = 1e400", "too large"),
        ("a = 1\n" * 20_000, "longer than 65,536 bytes"),
        ("\x89PNG", "not valid TOML"),
    ],
)
def test_what_is_not_usable_toml_is_refused(tmp_path, content, says):
    (tmp_path / "a.toml").write_text(content, encoding="utf-8")
    with pytest.raises(FormatError, match=says) as caught:
        read_toml(tmp_path / "a.toml")
    assert "a.toml" in str(caught.value)


# Entries


def test_an_entry_has_one_of_the_kinds_it_may_have():
    record = {"n": 1, "x": 2.5, "t": "a"}
    assert entry(record, "n", int, "here") == 1
    assert entry(record, "t", (int, str), "here") == "a"
    whole = entry(record, "n", float, "here")
    assert (whole, type(whole)) == (1.0, float)


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [
        ("1", int, '"a" must be an integer, not a text'),
        (True, int, '"a" must be an integer, not True'),
        (2.0, int, '"a" must be an integer, not 2.0'),
        (None, dict, '"a" must be an object, not null'),
        ([], (str, int), '"a" must be a text or an integer, not a list'),
    ],
)
def test_an_entry_of_another_kind_is_refused_with_its_place(value, kind, says):
    with pytest.raises(FormatError, match=f"^here: {says}$"):
        entry({"a": value}, "a", kind, "here")


def test_a_missing_entry_is_named():
    with pytest.raises(FormatError, match='here: the key "a" is missing'):
        entry({}, "a", int, "here")
