import math

import pytest

from minicap.errors import InputError
from minicap.metrics.captions import bleu


def test_a_repeated_word_counts_as_often_as_in_one_reference():
    # Papineni et al. 2002, example 2: 2 of 7 words match.
    references = [["the", "cat", "is", "on", "the", "mat"], ["there", "is", "a", "cat", "on", "the", "mat"]]
    corpus, _ = bleu([["the"] * 7], [references])
    assert corpus[0] == pytest.approx(2 / 7)


def test_of_two_references_as_near_the_shorter_is_the_length():
    candidate, shorter, longer = list("abcd"), list("abc"), list("abcde")
    assert bleu([candidate], [[longer, shorter]])[0][0] == pytest.approx(1)
    assert bleu([candidate], [[longer]])[0][0] == pytest.approx(math.exp(1 - 5 / 4))


def test_the_corpus_score_sums_counts_before_dividing():
    corpus, per_image = bleu([list("a"), list("xyz")], [[list("a")], [list("bcd")]])
    assert [image[0] for image in per_image] == pytest.approx([1, 0], abs=1e-8)
    assert corpus[0] == pytest.approx(1 / 4)


def test_a_string_where_a_token_list_belongs_is_named():
    with pytest.raises(InputError, match=r"bleu: candidates\[0\] is of type str; pass a list of tokens"):
        bleu(["a dog"], [[["a", "dog"]]])
