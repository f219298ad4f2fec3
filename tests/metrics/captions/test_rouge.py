import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicap.metrics.captions import rouge_l
from minicap.metrics.captions.rouge import lcs_length

letters = st.text("abc", max_size=7)


def subsequences(text):
    found = {""}
    for letter in text:
        found |= {s + letter for s in found}
    return found


@given(letters, letters)
def test_the_common_subsequence_is_the_longest_there_is(a, b):
    assert lcs_length(list(a), list(b)) == max(map(len, subsequences(a) & subsequences(b)))


def test_recall_weighs_more_than_precision():
    # LCS 2: P = 2/4, R = 2/2 against P = 2/2, R = 2/4.
    too_long, _ = rouge_l([list("abxy")], [[list("ab")]])
    too_short, _ = rouge_l([list("ab")], [[list("abxy")]])
    assert too_long == pytest.approx(2.44 * 0.5 / (1 + 1.44 * 0.5))
    assert too_short == pytest.approx(2.44 * 0.5 / (0.5 + 1.44))


def test_precision_and_recall_may_come_from_different_references():
    both, _ = rouge_l([list("abxy")], [[list("ab"), list("abxz")]])
    assert both == pytest.approx(2.44 * 0.75 / (1 + 1.44 * 0.75))
