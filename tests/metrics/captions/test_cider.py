import math

import pytest

from minicap.metrics.captions import cider


def test_a_single_image_scores_zero_because_no_phrase_is_rarer_than_another():
    assert cider([["a", "dog"]], [[["a", "dog"]]]) == (0, [0])


def test_a_word_of_every_image_weighs_nothing():
    references = [[["a", "dog"]], [["a", "cat"]]]
    _, (nothing, _) = cider([["a"], ["x"]], references)
    assert nothing == 0


def test_length_and_repetition_are_penalised_as_in_cider_d():
    # n = 1: g_c = 3 log 2, g_s = log 2 for "dog", clipped; n = 2..4 share nothing.
    _, (score, _) = cider([["dog"] * 3, ["x"]], [[["dog"]], [["cat"]]])
    assert score == pytest.approx(10 / 4 * math.exp(-(2**2) / 72) / 3)


def test_the_same_pair_scores_otherwise_in_another_set_of_images():
    candidate, references = ["a", "dog"], [["a", "dog", "runs"]]
    _, (small, _) = cider([candidate, ["x"]], [references, [["a", "cat"]]])
    _, (large, *_) = cider([candidate, ["x"], ["x"]], [references, [["a", "cat"]], [["the", "dog"]]])
    assert small != pytest.approx(large)
