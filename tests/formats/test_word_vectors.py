import zipfile

import numpy as np
import pytest

from minicap.errors import FormatError, InputError
from minicap.formats.word_vectors import read_word_vectors

GLOVE = "the 0.5 -1 2e-1\n. . . 1 1 1\ndog 1 2 3\nça 4 5 6\n"


@pytest.fixture
def file(tmp_path):
    def write(text, name="vectors.txt"):
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


def test_the_vectors_of_the_words_that_are_asked_for(file):
    found = read_word_vectors(file(GLOVE), ["dog", "ça", "cat"], 3)
    assert {word: vector.tolist() for word, vector in found.items()} == {"dog": [1, 2, 3], "ça": [4, 5, 6]}
    assert found["dog"].dtype == np.float32


def test_a_word_with_spaces_is_not_taken_for_its_first_part(file):
    assert read_word_vectors(file(GLOVE), ["."], 3) == {}


def test_the_first_line_of_word2vec_is_passed_over(file):
    text = "2 3\r\n2 1 2 3\r\ndog 4 5 6\r\n"
    found = read_word_vectors(file(text), ["2", "dog"], 3)
    assert {word: vector.tolist() for word, vector in found.items()} == {"2": [1, 2, 3], "dog": [4, 5, 6]}


def test_of_an_archive_the_file_with_vectors_of_this_size(tmp_path):
    path = tmp_path / "glove.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("glove.2d.txt", "dog 1 2\n")
        archive.writestr("glove.3d.txt", GLOVE)
        archive.writestr("LICENCE", "words")
    assert read_word_vectors(path, ["dog"], 3)["dog"].tolist() == [1, 2, 3]
    assert read_word_vectors(path, ["dog"], 2)["dog"].tolist() == [1, 2]
    with pytest.raises(InputError, match=r"vectors of 2, 3 numbers, but the words of this model have 5"):
        read_word_vectors(path, ["dog"], 5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a 1 2 3\ndog 1 2\n", "line 2: 2 numbers where there should be 3"),
        ("a 1 2 3\ndog 1 two 3\n", "line 2: a word must be followed by numbers"),
        ("a 1 2 3\ndog 1 nan 3\n", "line 2: a number is not finite"),
    ],
)
def test_a_damaged_line_is_named(file, text, message):
    with pytest.raises(FormatError, match=message):
        read_word_vectors(file(text), ["dog"], 3)


def test_what_is_no_such_file_is_told(file, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_word_vectors(tmp_path / "none.txt", ["dog"], 3)
    with pytest.raises(InputError, match="has vectors of 0 numbers"):
        read_word_vectors(file(""), ["dog"], 3)
    damaged = file(GLOVE, "damaged.zip")
    with zipfile.ZipFile(damaged, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("glove.txt", GLOVE * 1000)
    content = bytearray(damaged.read_bytes())
    content[60:80] = bytes(20)
    damaged.write_bytes(content)
    with pytest.raises(FormatError, match="a damaged zip archive"):
        read_word_vectors(damaged, ["dog"], 3)
