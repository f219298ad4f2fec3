import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicap.errors import ClassIndexError, FormatError, InputError
from minicap.vocabulary import SPECIAL, Vocabulary

CAPTIONS = [["a", "dog", "runs"], ["a", "dog"], ["a", "cat"]]
SENTENCES = st.lists(st.lists(st.sampled_from("abcdefgh")), min_size=1)


def test_words_are_ordered_by_count_and_then_by_letters():
    vocabulary = Vocabulary.build(CAPTIONS)
    assert vocabulary.words == ("<pad>", "<start>", "<end>", "<unk>", "a", "dog", "cat", "runs")
    assert vocabulary.counts == (0, 0, 3, 0, 3, 2, 1, 1)
    assert len(vocabulary) == 8


def test_rare_words_become_unknown():
    vocabulary = Vocabulary.build(CAPTIONS, min_count=2)
    assert vocabulary.words[4:] == ("a", "dog")
    assert vocabulary.counts[vocabulary.unk] == 2
    assert vocabulary.encode(["a", "cat"]) == [4, vocabulary.unk, vocabulary.end]


@given(SENTENCES, st.integers(1, 4))
def test_counts_add_up_to_all_words_and_ends(captions, min_count):
    vocabulary = Vocabulary.build(captions, min_count)
    assert sum(vocabulary.counts) == sum(len(caption) + 1 for caption in captions)
    assert np.bincount(
        [i for c in captions for i in vocabulary.encode(c)], minlength=len(vocabulary)
    ).tolist() == [*vocabulary.counts]


@given(SENTENCES)
def test_decoding_undoes_encoding(captions):
    vocabulary = Vocabulary.build(captions)
    for caption in captions:
        assert vocabulary.decode(vocabulary.encode(caption)) == " ".join(caption)


def test_decoding_stops_at_the_end_and_shows_unknown_words():
    vocabulary = Vocabulary.build(CAPTIONS)
    ids = [vocabulary.start, 4, vocabulary.pad, vocabulary.unk, vocabulary.end, 5]
    assert vocabulary.decode(ids) == "a <unk>"
    assert vocabulary.decode([]) == ""


@pytest.mark.parametrize("index", [-1, 8])
def test_an_index_that_is_no_word_is_named(index):
    with pytest.raises(ClassIndexError, match=f"{index} is not a word index; there are 8"):
        Vocabulary.build(CAPTIONS).decode([4, index])


def test_a_word_of_the_text_never_becomes_a_special_one():
    vocabulary = Vocabulary.build([["<end>", "a"], ["<pad>", "<start>", "<unk>", "a"]])
    assert len(set(vocabulary.words)) == len(vocabulary)
    assert vocabulary.encode(["<end>", "a"]) == [vocabulary.unk, 4, vocabulary.end]


def test_log_frequency_is_the_share_of_every_word():
    vocabulary = Vocabulary.build(CAPTIONS)
    share = np.exp(vocabulary.log_frequency())
    assert share.sum() == pytest.approx(1)
    assert share[4] / share[5] == pytest.approx(3 / 2)
    assert share[vocabulary.pad] == pytest.approx(0.5 / 11.5)


def test_json_gives_the_same_vocabulary_back():
    vocabulary = Vocabulary.build([*CAPTIONS, ["größe"]])
    assert Vocabulary.from_json(json.loads(json.dumps(vocabulary.to_json()))) == vocabulary


GOOD = {"words": ["<pad>", "<start>", "<end>", "<unk>", "a"], "counts": [0, 0, 1, 0, 1]}


@pytest.mark.parametrize(
    "change",
    [
        {"words": None},
        {"words": ["<start>", "<pad>", "<end>", "<unk>", "a"]},
        {"words": ["<pad>", "<start>", "<end>", "<unk>", "<pad>"]},
        {"words": []},
        {"counts": [0, 0, 1, 0]},
        {"counts": [0, 0, 1, 0, "many"]},
        {"counts": [0, 0, 1, 0, -1]},
        {"counts": [0, 0, 1, 0, 1.5]},
        {"counts": [0, 0, 1, 0, float("inf")]},
        {"counts": [0, 0, 1, 0, 10**400]},
        {"words": [*GOOD["words"][:4], ["a"]]},
        {"counts": 3},
    ],
)
def test_a_damaged_vocabulary_is_a_format_error(change):
    assert len(Vocabulary.from_json(GOOD)) == 5
    with pytest.raises(FormatError, match="vocabulary"):
        Vocabulary.from_json(GOOD | change)


@pytest.mark.parametrize("values", [{}, {"words": GOOD["words"]}, [], None])
def test_missing_parts_are_a_format_error(values):
    with pytest.raises(FormatError, match="vocabulary"):
        Vocabulary.from_json(values)


def test_no_captions_are_an_input_error():
    with pytest.raises(InputError, match="no captions"):
        Vocabulary.build([])


def test_an_extended_vocabulary_keeps_its_places_and_adds_the_counts():
    first = Vocabulary.build([["a", "dog"]])
    both = first.extended(Vocabulary.build([["a", "cow"], ["a"]]))
    assert both.words == (*first.words, "cow")
    assert [both.counts[both.index[word]] for word in ("a", "dog", "cow", "<end>")] == [3, 1, 1, 3]


@pytest.mark.parametrize("captions", [["a dog", "a cat"], "abc", [[1, 2]]])
def test_texts_that_are_not_cut_into_words_are_refused(captions):
    with pytest.raises(InputError, match=r"Vocabulary\.build: .* is not a list of words"):
        Vocabulary.build(captions)
    with pytest.raises(InputError, match=r"Vocabulary\.encode: 'a dog' is not a list of words"):
        Vocabulary.build([["a", "dog"]]).encode("a dog")


@pytest.mark.parametrize("min_count", [0, -3, float("nan")])
def test_a_least_count_below_one_is_refused(min_count):
    with pytest.raises(InputError, match=r"min_count is .* but must be at least 1"):
        Vocabulary.build([["a"]], min_count)


@pytest.mark.parametrize(
    ("words", "counts", "message"),
    [
        ((*SPECIAL, "a", "a"), (0,) * 6, "words has 'a' twice"),
        ((*SPECIAL, 7), (0,) * 5, "words is not a tuple of texts"),
        ([*SPECIAL], (0,) * 4, "words is not a tuple of texts"),
        (("a", "dog"), (1, 1), "words must begin with <pad> <start> <end> <unk>"),
        ((*SPECIAL, "a"), (0,) * 4, "counts is not a tuple of whole numbers, at least 0, one per word"),
        (SPECIAL, (0, 0, 1, -1), "counts is not a tuple of whole numbers"),
        (SPECIAL, (0, 0, 1, 0.5), "counts is not a tuple of whole numbers"),
    ],
)
def test_a_vocabulary_made_by_hand_from_wrong_things_is_refused(words, counts, message):
    with pytest.raises(InputError, match=f"Vocabulary: {message}"):
        Vocabulary(words, counts)
