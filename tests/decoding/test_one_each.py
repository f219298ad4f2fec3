import numpy as np
import pytest

from minicap.arrays import Backend, to_device, to_host
from minicap.decoding import greedy, sample
from minicap.decoding.one_each import most_probable, nucleus, softmax
from minicap.errors import InputError

START, END = 0, 1
P = np.array([[0.05, 0.4, 0.2, 0.35], [0.25, 0.25, 0.4, 0.1]])


def memoryless(p):
    with np.errstate(divide="ignore"):
        log_probs = np.log(p)
    return lambda state, words: (np.repeat(log_probs[None], len(words), axis=0), state, {})


def drawn(p, count=400, **options):
    """The words that are drawn as the first ones."""
    step = memoryless(np.array(p))
    found = sample(step, (np.zeros((count, 1)),), START, END, max_length=1, **options)
    return {h.words[0] if h.words else END for h in found}


def test_the_most_probable_words_are_kept(backend: Backend):
    np.testing.assert_array_equal(
        to_host(most_probable(to_device(P), 2)), [[0, 0.4, 0, 0.35], [0.25, 0.25, 0.4, 0]]
    )  # of equals, all


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.3, [[1], [2]]), (0.4, [[1], [2]]), (0.41, [[1, 3], [0, 1, 2]]), (0.9, [[1, 2, 3], [0, 1, 2]])],
)
def test_a_nucleus_is_the_fewest_words_that_reach_its_probability(backend: Backend, top_p, kept):
    found = to_host(nucleus(to_device(P), top_p))
    assert [np.flatnonzero(row).tolist() for row in found] == kept
    np.testing.assert_array_equal(found[found > 0], P[found > 0])


def test_probabilities_of_an_impossible_row_are_zeros(backend: Backend):
    scores = to_device(np.array([[0.0, 0.0], [-np.inf, -np.inf]]))
    np.testing.assert_array_equal(to_host(softmax(scores)), [[0.5, 0.5], [0, 0]])


def test_words_outside_the_nucleus_or_the_top_are_never_drawn():
    p = [0.05, 0.4, 0.2, 0.35]
    assert drawn(p) == {0, 1, 2, 3}
    assert drawn(p, top_k=2) == drawn(p, top_p=0.7) == {1, 3}
    assert drawn(p, top_k=1, temperature=50.0) == {1}
    assert drawn(p, top_k=9) == {0, 1, 2, 3}


def test_the_nucleus_is_that_of_the_words_the_top_leaves_at_the_temperature():
    # Of 0.4 and 0.35 alone the first is more than half; at a high temperature it hardly is.
    p = [0.05, 0.4, 0.2, 0.35]
    assert drawn(p, top_k=2, top_p=0.53) == {1}
    assert drawn(p, top_k=2, top_p=0.53, temperature=10.0) == {1, 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top_k": -1}, "top_k is -1"),
        ({"top_k": 2.0}, "top_k is 2.0 but must be a whole number"),
        ({"top_p": 0.0}, "top_p is 0.0 but must be above 0 and at most 1"),
        ({"top_p": 1.5}, "top_p is 1.5"),
    ],
)
def test_shares_that_cannot_be_are_an_input_error(options, message):
    with pytest.raises(InputError, match=message):
        drawn([0.5, 0.5], **options)


@pytest.mark.parametrize("rng", ["chance", -1, None])
def test_a_sample_without_a_seed_or_generator_is_refused(rng):
    with pytest.raises(InputError, match=r"sample: rng is .* but must be a numpy Generator or a seed"):
        sample(memoryless(np.full(4, 0.25)), (np.zeros((1, 1)),), START, END, rng=rng)


def test_a_forbidden_word_that_the_model_does_not_have_is_refused():
    with pytest.raises(InputError, match=r"decoding: a word outside 0\.\.3 was forbidden"):
        greedy(memoryless(np.full(4, 0.25)), (np.zeros((1, 1)),), START, END, forbid=lambda words: [4])
