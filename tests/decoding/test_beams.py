import itertools
import json
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.decoding import Hypothesis, beam_search, greedy, no_repeats, sample
from minicap.errors import InputError

START, END = 0, 1
SEEDS = st.integers(0, 2**32 - 1)
fast = settings(max_examples=40)


class TinyModel:
    """A random language model whose next word depends on all words before; rows do not touch each other."""

    def __init__(self, seed: int, num_words: int = 4, size: int = 3) -> None:
        rng = np.random.default_rng(seed)
        self.recur, self.out = rng.normal(size=(size, size)), 2 * rng.normal(size=(size, num_words))
        self.table, self.starts = rng.normal(size=(num_words, size)), rng.normal(size=(8, size))

    def start(self, rows: int = 1):
        return self.starts[:rows], np.zeros((rows, 2), np.float32)

    def step(self, state, words):
        h, other = state
        assert words.shape == (len(h),) == (len(other),)
        assert words.dtype.kind == "i"
        h = np.tanh((h[:, :, None] * self.recur).sum(axis=1) + self.table[words])
        scores = (h[:, :, None] * self.out).sum(axis=1)
        return scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)), (h, other), {}

    def log_prob(self, state, hypothesis: Hypothesis) -> float:
        """By teacher forcing: the words are given, and their log probabilities summed."""
        total, last = 0.0, START
        for word in [*hypothesis.words, END][: len(hypothesis.words) + hypothesis.finished]:
            log_probs, state, _ = self.step(state, np.array([last]))
            total, last = total + log_probs[0, word], word
        return total


def memoryless(probabilities):
    """A model that knows one distribution; the words before do not matter."""
    with np.errstate(divide="ignore"):
        log_probs = np.log(probabilities)
    return lambda state, words: (np.repeat(log_probs[None], len(words), axis=0), state, {})


def rows(count=1):
    return (np.zeros((count, 1)),)


def every_caption(num_words, max_length):
    """All that can be decoded: finished ones, and unfinished ones of the full length."""
    others = [word for word in range(num_words) if word != END]
    for length in range(max_length):
        yield from ((words, True) for words in itertools.product(others, repeat=length))
    yield from ((words, False) for words in itertools.product(others, repeat=max_length))


@fast
@given(SEEDS, st.integers(2, 6), st.integers(1, 7))
def test_a_beam_of_one_is_greedy_decoding(seed, num_words, max_length):
    model = TinyModel(seed, num_words)
    decode = dict(start=START, end=END, max_length=max_length)
    by_beam = beam_search(model.step, model.start(3), **decode, beam=1)
    assert [[h] for h in greedy(model.step, model.start(3), **decode)] == by_beam


@pytest.mark.parametrize("beam", [1, 2, 3])
def test_of_equally_probable_words_the_first_is_taken_as_greedy_does(beam):
    step = memoryless([0.2, 0.0, 0.2, 0.2, 0.2, 0.2])
    (found,) = beam_search(step, rows(), START, END, max_length=1, beam=beam)
    assert [h.words for h in found] == [(0,), (2,), (3,)][:beam]
    assert found[0] == greedy(step, rows(), START, END, max_length=1)[0]


@fast
@given(SEEDS, st.integers(2, 4), st.integers(1, 4), st.sampled_from([0.0, 0.7, 1.0]))
def test_an_unpruned_beam_is_exhaustive_search(seed, num_words, max_length, length_power):
    model = TinyModel(seed, num_words)
    expected = []
    for words, finished in every_caption(num_words, max_length):
        log_prob = model.log_prob(model.start(), Hypothesis(words, 0.0, 0.0, finished))
        expected.append((not finished, -log_prob / (len(words) + finished) ** length_power, words, log_prob))
    expected.sort()
    (found,) = beam_search(model.step, model.start(), START, END, max_length, len(expected), length_power)
    assert [(not h.finished, h.words) for h in found] == [
        (unfinished, words) for unfinished, _, words, _ in expected
    ]
    np.testing.assert_allclose(
        [h.log_prob for h in found], [log_prob for *_, log_prob in expected], rtol=1e-12
    )
    np.testing.assert_allclose([h.score for h in found], [-minus for _, minus, *_ in expected], rtol=1e-12)


@fast
@given(SEEDS, st.integers(1, 6), st.integers(1, 6))
def test_a_batch_of_rows_is_decoded_as_each_row_alone(seed, beam, max_length):
    model = TinyModel(seed)
    state = model.start(4)
    for decode in (partial(beam_search, beam=beam), greedy):
        together = decode(model.step, state, START, END, max_length)
        alone = [
            decode(model.step, tuple(a[i : i + 1] for a in state), START, END, max_length)[0]
            for i in range(4)
        ]
        assert together == alone


@fast
@given(SEEDS, st.integers(1, 5))
def test_log_prob_is_the_sum_by_teacher_forcing(seed, beam):
    model = TinyModel(seed)
    (beams,) = beam_search(model.step, model.start(), START, END, 6, beam, length_power=0.5)
    greedy_one = greedy(model.step, model.start(), START, END, 6)
    drawn = sample(model.step, model.start(), START, END, 6, temperature=2.0, rng=seed)
    for hypothesis in [*beams, *greedy_one, *drawn]:
        expected = model.log_prob(model.start(), hypothesis)
        assert hypothesis.log_prob == pytest.approx(expected, rel=1e-12, abs=1e-12)


@fast
@given(SEEDS, st.integers(1, 5), st.integers(1, 6))
def test_a_beam_returns_as_many_captions_as_places_all_different(seed, beam, max_length):
    model = TinyModel(seed)
    for found in beam_search(model.step, model.start(2), START, END, max_length, beam):
        assert 1 <= len(found) <= beam
        assert len({h.words + (END,) * h.finished for h in found}) == len(found)
        assert all(END not in h.words and len(h.words) + h.finished <= max_length for h in found)
        assert found == sorted(found, key=lambda h: (not h.finished, -h.score))


def test_a_pruned_beam_is_traced_by_hand():
    # After <start>: a 0.5, b 0.4, <end> 0.1.  After a: a b <end> alike.  After b: <end> 0.9.
    A, B = 2, 3
    after = {
        START: [0.0, 0.1, 0.5, 0.4],
        A: [0.0, 1 / 3, 1 / 3, 1 / 3],
        B: [0.0, 0.9, 0.05, 0.05],
    }

    def step(state, words):
        with np.errstate(divide="ignore"):
            return np.log([after[int(word)] for word in words]), state, {}

    assert greedy(step, rows(), START, END, max_length=2)[0].words == (A,)
    (found,) = beam_search(step, rows(), START, END, max_length=2, beam=2)
    assert [(h.words, h.finished) for h in found] == [((B,), True), ((A,), True)]
    assert [np.exp(h.log_prob) for h in found] == pytest.approx([0.36, 0.5 / 3])


def test_a_model_that_never_ends_gives_unfinished_captions():
    step = memoryless([0.1, 0.0, 0.6, 0.3])
    (found,) = beam_search(step, rows(), START, END, max_length=3, beam=2)
    assert [(h.words, h.finished) for h in found] == [((2, 2, 2), False), ((2, 2, 3), False)]
    assert greedy(step, rows(), START, END, max_length=3) == found[:1]
    assert not sample(step, rows(), START, END, max_length=3)[0].finished


def test_a_model_that_ends_at_once_gives_the_empty_caption():
    step = memoryless([0.0, 1.0, 0.0])
    for found in (beam_search(step, rows(), START, END, beam=3)[0], greedy(step, rows(), START, END)):
        assert found == [Hypothesis((), 0.0, 0.0, True)]
    assert sample(step, rows(), START, END) == [Hypothesis((), 0.0, 0.0, True)]


def test_finished_captions_come_before_unfinished_ones():
    (found,) = beam_search(memoryless([0.0, 0.01, 0.99]), rows(), START, END, max_length=3, beam=2)
    assert [h.finished for h in found] == [True, False]
    assert found[0].log_prob < found[1].log_prob


def test_impossible_words_are_never_taken():
    step = memoryless([0.0, 0.5, 0.5, 0.0])
    (found,) = beam_search(step, rows(), START, END, max_length=3, beam=50)
    assert {h.words for h in found} == {(), (2,), (2, 2), (2, 2, 2)}
    drawn = sample(step, rows(200), START, END, max_length=3, temperature=50.0)
    assert {word for h in drawn for word in h.words} == {2}


def dead_end_after_2(probabilities):
    """Once word 2 is said, every next word has probability 0."""
    step = memoryless(probabilities)
    return lambda state, words: (np.where(words[:, None] == 2, -np.inf, step(state, words)[0]), state, {})


def test_a_row_where_no_word_is_possible_returns_what_it_has_unfinished():
    (found,) = beam_search(dead_end_after_2([0.0, 0.0, 1.0]), rows(), START, END, max_length=4, beam=3)
    assert found == [Hypothesis((2,), 0.0, 0.0, False)]


def test_a_dead_end_is_dropped_while_other_beginnings_go_on():
    (found,) = beam_search(dead_end_after_2([0.25, 0.25, 0.5]), rows(), START, END, max_length=2, beam=50)
    assert {h.words for h in found if h.finished} == {(), (0,)}
    assert {h.words for h in found if not h.finished} == {(0, 0), (0, 2)}


def test_length_power_ranks_by_log_probability_per_word():
    # The empty caption has probability 0.4; each word has 0.6, and so has one more.
    step = memoryless([0.0, 0.4, 0.6])
    found = {p: beam_search(step, rows(), START, END, 4, 50, p)[0] for p in (0.0, 1.0)}
    finished = {p: [len(h.words) for h in captions if h.finished] for p, captions in found.items()}
    assert finished == {0.0: [0, 1, 2, 3], 1.0: [3, 2, 1, 0]}
    for h in found[1.0]:
        assert h.score == pytest.approx(h.log_prob / (len(h.words) + h.finished))


def test_words_are_plain_integers_that_json_can_write():
    model = TinyModel(1)
    (beams,) = beam_search(model.step, model.start(), START, END, 5, 3)
    drawn = sample(model.step, model.start(), START, END)
    for hypothesis in [*beams, *drawn]:
        values = json.loads(json.dumps(asdict(hypothesis)))
        assert Hypothesis(**values | {"words": tuple(values["words"])}) == hypothesis


def test_a_state_of_no_rows_has_no_captions():
    model = TinyModel(0)
    assert beam_search(model.step, model.start(0), START, END) == []
    assert greedy(model.step, model.start(0), START, END) == []


def test_sampling_is_a_function_of_the_seed():
    model = TinyModel(5)
    draw = partial(sample, model.step, model.start(8), START, END)
    assert draw(rng=3) == draw(rng=3) == draw(rng=np.random.default_rng(3))
    assert draw(rng=3) != draw(rng=4)
    going_on = np.random.default_rng(3)
    assert draw(rng=going_on) != draw(rng=going_on)


@fast
@given(SEEDS)
def test_sampling_at_almost_no_temperature_is_greedy(seed):
    model = TinyModel(seed)
    cold = sample(model.step, model.start(4), START, END, temperature=1e-9, rng=seed)
    assert cold == greedy(model.step, model.start(4), START, END)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_sampled_words_are_as_frequent_as_the_softmax_says(temperature):
    p, count = np.array([0.05, 0.15, 0.5, 0.3]), 20_000
    expected = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
    drawn = sample(memoryless(p), rows(count), START, END, max_length=1, temperature=temperature, rng=0)
    words = [h.words[0] if h.words else END for h in drawn]
    share = np.bincount(words, minlength=4) / count
    assert (np.abs(share - expected) < 4 * np.sqrt(expected * (1 - expected) / count)).all()


def test_whole_sampled_captions_are_as_frequent_as_the_model_says():
    model, count = TinyModel(2, num_words=3), 20_000
    state = tuple(np.repeat(a, count, axis=0) for a in model.start())
    drawn = sample(model.step, state, START, END, max_length=2, rng=1)
    for words, finished in every_caption(3, 2):
        p = np.exp(model.log_prob(model.start(), Hypothesis(words, 0.0, 0.0, finished)))
        share = sum(h.words == words and h.finished == finished for h in drawn) / count
        assert abs(share - p) < 4 * np.sqrt(p * (1 - p) / count)


def no_word_twice(words):
    return words


@fast
@given(SEEDS, st.integers(1, 6))
def test_words_that_are_forbidden_are_never_said(seed, beam):
    model, every = TinyModel(seed, num_words=6), (1, 2, 3, 4, 5)
    (beams,) = beam_search(model.step, model.start(), START, END, 9, beam, forbid=no_word_twice)
    greedy_ones = greedy(model.step, model.start(3), START, END, 9, forbid=no_word_twice)
    drawn = sample(model.step, model.start(3), START, END, 9, 3.0, seed, forbid=no_word_twice)
    for hypothesis in [*beams, *greedy_ones, *drawn]:
        assert len(set(hypothesis.words)) == len(hypothesis.words)
    assert beam_search(model.step, model.start(), START, END, 3, beam, forbid=lambda _: every[1:]) == [
        beam_search(
            lambda state, words: only_0_and_end(model, state, words), model.start(), START, END, 3, beam
        )[0]
    ]


def only_0_and_end(model, state, words):
    log_probs, state, extras = model.step(state, words)
    log_probs[:, 2:] = -np.inf
    return log_probs, state, extras


def test_a_search_over_label_sets_is_traced_by_hand():
    # 2 and 3 fill both places in either order; then, of equals, the first row ends and goes on with 4.
    step = memoryless([0.0, 0.1, 0.5, 0.3, 0.1])
    (found,) = beam_search(step, rows(), START, END, max_length=4, beam=2, forbid=no_word_twice)
    assert [(h.words, h.finished) for h in found] == [((2, 3), True), ((2, 3, 4), True)]
    assert [np.exp(h.log_prob) for h in found] == pytest.approx([0.5 * 0.3 * 0.1, 0.5 * 0.3 * 0.1 * 0.1])
    assert greedy(step, rows(), START, END, max_length=2, forbid=no_word_twice)[0].words == (2, 3)


@pytest.mark.parametrize("decode", [greedy, sample, partial(beam_search, beam=1)])
def test_a_caption_that_may_say_nothing_more_stops_unfinished(decode):
    step = memoryless([0.0, 0.0, 0.6, 0.4])
    found = decode(step, rows(), START, END, 9, forbid=no_word_twice)
    first = found[0] if isinstance(found[0], Hypothesis) else found[0][0]
    assert sorted(first.words) == [2, 3]
    assert not first.finished


@fast
@given(SEEDS, st.integers(1, 4))
def test_extras_are_those_of_the_steps_of_the_caption_itself(seed, beam):
    model = TinyModel(seed)

    def step(state, words):
        log_probs, state, _ = model.step(state, words)
        return log_probs, state, {"h": state[0], "word": words}

    decoded = beam_search(step, model.start(3), START, END, 5, beam)
    every = [[h] for h in greedy(step, model.start(3), START, END, 5)]
    every += [[h] for h in sample(step, model.start(3), START, END, 5, rng=seed)]
    for number, hypotheses in enumerate([*decoded, *every]):
        for hypothesis in hypotheses:
            read = [START, *hypothesis.words][: len(hypothesis.words) + hypothesis.finished]
            assert hypothesis.extras["word"].tolist() == read
            state = tuple(array[number % 3 :][:1] for array in model.start(3))
            for word, h in zip(read, hypothesis.extras["h"], strict=True):
                _, state, _ = model.step(state, np.array([word]))
                np.testing.assert_allclose(h, state[0][0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("decode", [greedy, sample, beam_search])
def test_a_length_below_one_is_an_input_error(decode):
    with pytest.raises(InputError, match="max_length is 0"):
        decode(memoryless([0.5, 0.5]), rows(), START, END, max_length=0)


def test_a_beam_below_one_is_an_input_error():
    with pytest.raises(InputError, match="beam is 0"):
        beam_search(memoryless([0.5, 0.5]), rows(), START, END, beam=0)


def test_a_length_power_that_is_no_number_is_an_input_error():
    with pytest.raises(InputError, match="length_power is nan"):
        beam_search(memoryless([0.5, 0.5]), rows(), START, END, length_power=float("nan"))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_that_is_no_positive_number_is_an_input_error(temperature):
    with pytest.raises(InputError, match="temperature is"):
        sample(memoryless([0.5, 0.5]), rows(), START, END, temperature=temperature)


def not_numbers(state, words):
    return np.full((len(words), 5), np.nan), state, {}


@pytest.mark.parametrize("decode", [greedy, sample, beam_search])
def test_scores_that_are_not_numbers_are_no_captions(decode):
    with pytest.raises(InputError, match="log probabilities that are not numbers"):
        decode(not_numbers, (np.zeros((2, 1)),), 0, 1)


@pytest.mark.parametrize("option", [{"beam": 2.5}, {"beam": "3"}, {"max_length": float("nan")}])
def test_sizes_of_a_search_are_whole_numbers(option):
    with pytest.raises(InputError, match="but must be a whole number, at least 1"):
        beam_search(not_numbers, (np.zeros((2, 1)),), 0, 1, **option)


@fast
@given(SEEDS, st.sampled_from([(2, 2), (4, 2), (6, 3)]))
def test_groups_without_a_penalty_are_the_same_search_side_by_side(seed, beam_and_groups):
    beam, groups = beam_and_groups
    model = TinyModel(seed)
    decode = (model.step, model.start(3), START, END, 5)
    alone = beam_search(*decode, beam // groups)
    together = beam_search(*decode, beam, groups=groups, diversity=0.0)
    for one, several in zip(alone, together, strict=True):
        assert sorted(several, key=lambda h: h.words) == sorted(one * groups, key=lambda h: h.words)


def test_a_diverse_search_is_traced_by_hand():
    # The first group takes 2 (0.5), for which the second pays 1 and so takes 3: log 0.3 > log 0.5 - 1.
    step = memoryless([0.0, 0.0, 0.5, 0.3, 0.2])
    (found,) = beam_search(step, rows(), START, END, max_length=1, beam=2, groups=2, diversity=1.0)
    assert [h.words for h in found] == [(2,), (3,)]
    # A third pays for both, and log 0.2 is the most again; log_prob is without what they paid.
    (found,) = beam_search(step, rows(), START, END, max_length=1, beam=3, groups=3, diversity=1.0)
    assert [h.words for h in found] == [(2,), (3,), (4,)]
    assert [np.exp(h.log_prob) for h in found] == pytest.approx([0.5, 0.3, 0.2])
    # Taken twice is paid twice.
    (found,) = beam_search(step, rows(), START, END, max_length=1, beam=3, groups=3, diversity=0.4)
    assert [h.words for h in found] == [(2,), (2,), (3,)]


@fast
@given(SEEDS)
def test_a_diverse_search_of_a_batch_is_that_of_each_row_alone(seed):
    model = TinyModel(seed)
    state = model.start(4)
    search = partial(beam_search, beam=4, groups=2, diversity=0.7)
    together = search(model.step, state, START, END, 5)
    alone = [search(model.step, tuple(a[i : i + 1] for a in state), START, END, 5)[0] for i in range(4)]
    assert together == alone
    for found, start in zip(together, range(4), strict=True):
        for h in found:
            state_of = tuple(a[start : start + 1] for a in state)
            assert h.log_prob == pytest.approx(model.log_prob(state_of, h), rel=1e-12, abs=1e-12)


@fast
@given(SEEDS, st.integers(1, 3))
def test_no_run_of_words_comes_twice_where_that_is_forbidden(seed, n):
    model = TinyModel(seed)
    for (h,) in beam_search(model.step, model.start(3), START, END, 12, 1, forbid=no_repeats(n)):
        runs = [h.words[i : i + n] for i in range(len(h.words) - n + 1)]
        assert len(set(runs)) == len(runs)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": 2}, "a beam of 3 cannot be shared by 2 groups evenly"),
        ({"groups": 0}, "groups is 0 but must be a whole number"),
        ({"diversity": -1.0}, "diversity is -1.0"),
        ({"diversity": float("nan")}, "diversity is nan"),
    ],
)
def test_groups_that_cannot_be_are_an_input_error(options, message):
    with pytest.raises(InputError, match=message):
        beam_search(memoryless([0.5, 0.5]), rows(), START, END, **options)
