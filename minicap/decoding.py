"""From a model that gives the next word's probabilities to a caption: greedy, sampled, or by beam search.

A decoder sees the model through one function, `step(state, words)`.  words: (B,) the last word of every
row.  state: a tuple of arrays with B rows each.  It returns log probabilities (B, V) of the next word and
the next state.
"""

from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, to_device, to_host
from minicap.errors import InputError

State = tuple[Array, ...]
Step = Callable[[State, Array], tuple[Array, State]]


class Hypothesis(NamedTuple):
    """A caption as word indices without <start> and <end>.

    log_prob: of all its words, <end> included when finished.  score: what beams are ranked by.
    """

    words: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool


def greedy(step: Step, state: State, start: int, end: int, max_length: int = 20) -> list[Hypothesis]:
    """Take the most probable word at every step; one caption for every row of the state.

    Raises InputError unless max_length is at least 1.
    """
    return _decode_rows(step, state, start, end, max_length, lambda p: p.argmax(axis=1))


def sample(
    step: Step,
    state: State,
    start: int,
    end: int,
    max_length: int = 20,
    temperature: float = 1.0,
    rng: np.random.Generator | int = 0,
) -> list[Hypothesis]:
    """Draw every word from the softmax of log probability / temperature; one caption for every row.

    Raises InputError unless the temperature is positive and finite, and max_length at least 1.
    """
    if not 0 < temperature < np.inf:
        raise InputError(f"sample: temperature is {temperature} but must be positive; for 0 use greedy")
    rng = np.random.default_rng(rng)

    def draw(log_probs: NDArray[np.float64]) -> NDArray[np.intp]:
        # argmax of log p / temperature + Gumbel noise is a draw from the softmax (Gumbel 1954).
        return np.argmax(log_probs / temperature + rng.gumbel(size=log_probs.shape), axis=1)

    return _decode_rows(step, state, start, end, max_length, draw)


def beam_search(
    step: Step,
    state: State,
    start: int,
    end: int,
    max_length: int = 20,
    beam: int = 3,
    length_power: float = 0.0,
) -> list[list[Hypothesis]]:
    """Keep the `beam` most probable beginnings at every step (Sutskever et al. 2014, section 3.2).

    A beginning that takes <end> is finished and frees no place: the search of a row is over when `beam`
    captions are finished.  What is unfinished after max_length words is returned too, behind the finished.
    length_power: captions are ranked by log probability / words ** length_power, <end> counted as a word;
    0 ranks by probability, 1 by the mean over the words.

    Returns for every row of the state its hypotheses, best first.  A beam of 1 is greedy decoding.
    Raises InputError unless beam and max_length are at least 1 and length_power is finite.
    """
    if beam < 1:
        raise InputError(f"beam_search: beam is {beam} but must be at least 1")
    if not isfinite(length_power):
        raise InputError(f"beam_search: length_power is {length_power} but must be finite")
    _check_length(max_length)
    rows = len(state[0])
    found: list[list[Hypothesis]] = [[] for _ in range(rows)]
    # All live beginnings of all rows, one after another: whose they are, their words and log probability.
    owners, log_prob = list(range(rows)), np.zeros(rows)
    beginnings: list[tuple[int, ...]] = [()] * rows
    last = np.full(rows, start)

    def finish(owner: int, words: tuple[int, ...], log_p: float, ended: bool) -> None:
        score = log_p / max(len(words) + ended, 1) ** length_power
        found[owner].append(Hypothesis(words, float(log_p), float(score), ended))

    for _ in range(max_length):
        log_probs, state = step(state, to_device(last))
        totals = log_prob[:, None] + to_host(log_probs)
        live: list[tuple[int, int, tuple[int, ...], float]] = []  # parent, owner, words, log probability
        for owner, parents in _groups(owners):
            best = _best(totals, parents, beam - len(found[owner]))
            if not best:  # every next word is impossible
                for parent in parents:
                    finish(owner, beginnings[parent], log_prob[parent], False)
            for parent, word, log_p in best:
                if word == end:
                    finish(owner, beginnings[parent], log_p, True)
                else:
                    live.append((parent, owner, (*beginnings[parent], word), log_p))
        if not live:
            break
        owners, beginnings = [entry[1] for entry in live], [entry[2] for entry in live]
        log_prob = np.array([entry[3] for entry in live])
        last = np.array([words[-1] for words in beginnings])
        chosen = to_device(np.array([entry[0] for entry in live]))
        state = tuple(array[chosen] for array in state)
    else:
        for owner, words, log_p in zip(owners, beginnings, log_prob, strict=True):
            finish(owner, words, float(log_p), False)
    return [sorted(hypotheses, key=lambda h: (not h.finished, -h.score)) for hypotheses in found]


def _groups(owners: list[int]) -> list[tuple[int, list[int]]]:
    """The rows of every owner; owners come in order."""
    groups: dict[int, list[int]] = {}
    for row, owner in enumerate(owners):
        groups.setdefault(owner, []).append(row)
    return list(groups.items())


def _best(totals: NDArray[np.float64], rows: list[int], most: int) -> list[tuple[int, int, float]]:
    """The best continuations of some rows as (row, word, log probability), best first."""
    flat = totals[rows].ravel()
    most = min(most, flat.size)
    least = np.partition(flat, -most)[-most]
    top = np.flatnonzero(flat >= least)
    top = top[np.argsort(-flat[top], kind="stable")][:most]  # of equals the first, as argmax
    size = totals.shape[1]
    return [(rows[i // size], int(i % size), float(flat[i])) for i in top if flat[i] > -np.inf]


def _decode_rows(
    step: Step,
    state: State,
    start: int,
    end: int,
    max_length: int,
    choose: Callable[[NDArray[np.float64]], NDArray[np.intp]],
) -> list[Hypothesis]:
    _check_length(max_length)
    rows = len(state[0])
    last, done, log_prob = np.full(rows, start), np.zeros(rows, dtype=bool), np.zeros(rows)
    captions: list[list[int]] = [[] for _ in range(rows)]
    for _ in range(max_length):
        log_probs, state = step(state, to_device(last))
        host = to_host(log_probs).astype(np.float64)
        last = choose(host)
        log_prob += np.where(done, 0.0, host[np.arange(rows), last])
        done |= last == end
        for row in np.flatnonzero(~done):
            captions[row].append(int(last[row]))
        if done.all():
            break
    return [
        Hypothesis(tuple(words), float(p), float(p), bool(ended))
        for words, p, ended in zip(captions, log_prob, done, strict=True)
    ]


def _check_length(max_length: int) -> None:
    if max_length < 1:
        raise InputError(f"max_length is {max_length} but must be at least 1")
