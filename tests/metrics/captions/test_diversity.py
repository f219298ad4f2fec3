import pytest

from minicap.errors import InputError
from minicap.metrics.captions import distinct_n, novelty, vocabulary_used


def test_distinct_n_is_different_over_all():
    captions = ["A dog runs.", "A dog sleeps."]
    assert distinct_n(captions, 1) == pytest.approx(4 / 6)
    assert distinct_n(captions, 2) == pytest.approx(3 / 4)
    assert distinct_n(captions, 9) == 0


def test_vocabulary_used_counts_words_not_spellings():
    assert vocabulary_used(["A dog.", "a cat, a dog!"]) == 3


def test_novelty_is_the_share_of_captions_not_seen_in_training():
    assert novelty(["A dog runs.", "a bird", "a fish"], ["a dog runs", "a cat"]) == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: distinct_n(["a"], 0), "distinct_n: n is 0"),
        (lambda: distinct_n(["a"], 1.5), "distinct_n: n is 1.5"),
        (lambda: vocabulary_used("a dog"), "vocabulary_used: candidates is a string"),
        (lambda: novelty(["a"], []), "novelty: training_captions is empty"),
        (lambda: novelty(["a", 1], ["a"]), r"novelty: candidates\[1\] is of type int"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()
