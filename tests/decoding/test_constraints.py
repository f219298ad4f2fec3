import numpy as np
import pytest

from minicap.decoding import all_of, greedy, no_repeats, without
from minicap.errors import InputError


@pytest.mark.parametrize(
    ("n", "words", "forbidden"),
    [
        (3, [5, 6, 7, 5, 6], {7}),
        (3, [5, 6, 7, 6, 5], set()),
        (3, [5, 6], set()),
        (3, [5, 5, 5], {5}),
        (2, [5, 6, 5, 7, 5], {6, 7}),
        (1, [5, 6], {5, 6}),
        (1, [], set()),
    ],
)
def test_a_word_that_would_end_a_run_said_before_is_forbidden(n, words, forbidden):
    assert set(no_repeats(n)(words)) == forbidden


def test_runs_have_a_word_at_least():
    with pytest.raises(InputError, match="n is 0"):
        no_repeats(0)


def test_what_any_rule_forbids_is_forbidden():
    assert set(all_of(no_repeats(1), lambda words: [9])([4])) == {4, 9}


def test_words_never_said_are_impossible_and_the_model_s_own_array_is_left_alone():
    log_probs = np.log([[0.6, 0.1, 0.3]])
    log_probs.flags.writeable = False
    step = without(lambda state, words: (log_probs, state, {}), [0])
    found = greedy(step, (np.zeros((1, 1)),), 0, 1, max_length=2)
    assert found[0].words == (2, 2)
