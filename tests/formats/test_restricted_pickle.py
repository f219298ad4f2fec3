import codecs
import io
import os
import pickle
import tracemalloc

import pytest

from minicap.errors import FormatError
from minicap.formats.restricted_pickle import load_restricted


class Attack:
    """Runs a command when it is unpickled as usual."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def load(content, allowed=None):
    return load_restricted(io.BytesIO(content), allowed or {}, "FILE")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_come_back(protocol):
    value = {"a": [1, 2.5, None, True], "b": ("x", {"y": 1 << 70}, b"\xff")}
    assert load(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "attack",
    [
        Attack(os.system, "touch CAUGHT"),
        Attack(eval, "open('CAUGHT', 'w')"),
        Attack(__import__, "os"),
        Attack(getattr, "", "join"),
        Attack(bytearray, 10),
    ],
    ids=lambda attack: attack.call[0].__name__,
)
def test_nothing_is_called(attack, protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=r"FILE: refused, since it names .*, which could run code"):
        load(pickle.dumps(attack, protocol))
    assert not list(tmp_path.iterdir())


def test_what_is_allowed_is_built_by_its_stand_in():
    content = pickle.dumps(Attack(complex, 1, 2))
    assert load(content, {("builtins", "complex"): lambda a, b: [a, b]}) == [1, 2]


def test_pointing_outside_is_refused():
    with pytest.raises(FormatError, match="points outside itself"):
        load(b"Pname\n.")


def test_a_pickle_that_claims_to_remember_billions_of_values_takes_no_memory_for_them():
    tracemalloc.start()
    assert load(b"\x80\x02]r\xff\xff\xff\x0f.") == []  # remembered under the number 268,435,455
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"garbage",
        pickle.dumps([1, 2, 3])[:-3],
        b"\x80\xff.",
        b"\x8e" + b"\xff" * 8,
        b"(((((",
        b"h\x05.",
        pickle.dumps(Attack(codecs.encode, "a", "utf-8")),
    ],
)
def test_a_damaged_pickle_is_named(content):
    with pytest.raises(FormatError, match="FILE: "):
        load(content)
