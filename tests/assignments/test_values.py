import contextlib
import json
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicap.assignments.values import Foreign, Named, decode, encode, leaves, names_only
from minicap.errors import FormatError


class Cache(NamedTuple):
    x: np.ndarray
    options: tuple


def test_a_value_comes_out_as_it_went_in(rng):
    value = {"a": [rng.normal(size=(2, 3)), 3, "é"], "b": (None, True, np.float32(2), float("nan"))}
    back = decode(encode(value))
    assert np.array_equal(back["a"][0], value["a"][0])
    assert back["a"][1:] == [3, "é"]
    assert back["b"][:3] == (None, True, np.float32(2))
    assert np.isnan(back["b"][3])


def test_a_cache_is_named_and_not_built():
    back = names_only(Cache(np.arange(3), (1, 2)))
    assert isinstance(back, Named)
    assert (back.name, back.fields) == ("Cache", ("x", "options"))
    assert [path for path, _ in leaves(back, "cache")] == ["cache.x", "cache.options[0]", "cache.options[1]"]


def test_a_cache_has_the_leaves_of_what_comes_out():
    cache = {"of": Cache(np.arange(3), (1, Cache(np.ones(2), ())))}
    paths = [path for path, _ in leaves(cache)]
    assert paths == ["['of'].x", "['of'].options[0]", "['of'].options[1].x"]
    assert paths == [path for path, _ in leaves(names_only(cache))]


@pytest.mark.parametrize("value", [object(), {1}, np.array([None]), np.array(["a"]), 2**70, 1j])
def test_what_cannot_cross_is_told_by_its_type(value):
    assert isinstance(decode(encode(value)), Foreign)


def test_a_list_inside_itself_ends():
    value = []
    value.append(value)
    assert encode(value)


@pytest.mark.parametrize(
    "tree",
    [
        {"array": ["<f8", [10**6, 10**6], False]},
        {"array": ["O", [1], False]},
        {"array": ["<f8", [-1], False]},
        {"array": ["<f8", ["2"], False]},
        {"named": ["m", "n", ["a"], []]},
        {"pickle": "x"},
        {"a": 1, "b": 2},
        {"array": 3},
    ],
    ids=str,
)
def test_a_message_that_lies_is_refused(tree):
    text = json.dumps(tree).encode()
    with pytest.raises(FormatError):
        decode(len(text).to_bytes(8, "little") + text + bytes(16))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_refused(data):
    with contextlib.suppress(FormatError):
        decode(data)
