import numpy as np
import pytest

from minicap.characters import Alphabet, TextStreams
from minicap.errors import ClassIndexError, InputError


def test_an_alphabet_is_the_characters_of_a_text_sorted():
    alphabet = Alphabet.of("hello\n")
    assert alphabet.characters == "\nehlo"
    assert alphabet.encode("hole").tolist() == [2, 4, 3, 1]
    assert alphabet.decode(alphabet.encode("hello")) == "hello"


def test_characters_and_indices_that_are_none_of_it_are_refused():
    alphabet = Alphabet.of("abc")
    with pytest.raises(InputError, match="'d' is none of the 3 characters"):
        alphabet.encode("bad")
    with pytest.raises(ClassIndexError, match=r"not in 0\.\.2"):
        alphabet.decode([0, 3])
    with pytest.raises(InputError, match="the text is empty"):
        Alphabet.of("")


def test_streams_are_read_side_by_side():
    text = TextStreams(np.arange(12), streams=2, chunk=3)  # two streams of five; character 11 is left over
    assert (len(text), text.chunks) == (4, 2)
    first, second = (text.batch(np.array(indices)) for indices in ([0, 1], [2, 3]))
    assert first["x"].tolist() == [[0, 1, 2], [5, 6, 7]]
    assert first["y"].tolist() == [[1, 2, 3], [6, 7, 8]]
    assert second["x"].tolist() == [[3, 4], [8, 9]]
    assert second["y"].tolist() == [[4, 5], [9, 10]]
    assert [b["rows"].tolist() for b in (first, second)] == [[0, 1], [0, 1]]
    assert [b["carry"].tolist() for b in (first, second)] == [[0, 0], [1, 1]]


def test_a_text_too_short_for_its_streams_is_refused():
    with pytest.raises(InputError, match="5 characters, too few for 8 streams: lower the batch size"):
        TextStreams(np.arange(5), streams=8, chunk=3)
