"""From a model that scores the next word to whole captions: greedy, sampled, or by beam search.

A decoder sees the model through one function, `step(state, words)`.  words: (B,) the last word of every
row.  state: a tuple of arrays with B rows each.  It returns log probabilities (B, V) of the next word,
the next state, and extras: arrays with B rows that show how the step came about, such as attention.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, to_device, to_host
from minicap.errors import InputError

State = tuple[Array, ...]
Extras = dict[str, Array]
Step = Callable[[State, Array], tuple[Array, State, Extras]]
Forbid = Callable[[Sequence[int]], Iterable[int]]


@dataclass(frozen=True)
class Hypothesis:
    """A caption as word indices without <start> and <end>.

    log_prob: of all its words, <end> included when finished.  score: what beams are ranked by.
    extras: those of the model's steps, (T, ...) each, a row for every word, and for <end> when finished.
    """

    words: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool
    extras: Extras = field(default_factory=dict, compare=False)


class Beam(NamedTuple):
    """The beginning of a caption.  owner: the row it belongs to.  extras: of its steps so far."""

    owner: int
    words: tuple[int, ...] = ()
    log_prob: float = 0.0
    extras: tuple[Extras, ...] = ()

    def hypothesis(self, finished: bool, length_power: float = 0.0) -> Hypothesis:
        """As a caption, ranked by log probability / words ** length_power."""
        score = self.log_prob / max(len(self.words) + finished, 1) ** length_power
        names = self.extras[0] if self.extras else ()
        extras = {name: np.stack([step[name] for step in self.extras]) for name in names}
        return Hypothesis(self.words, float(self.log_prob), float(score), finished, extras)


def greedy(
    step: Step, state: State, start: int, end: int, max_length: int = 20, forbid: Forbid | None = None
) -> list[Hypothesis]:
    """Take the most probable word at every step; one caption for every row of the state.

    forbid: as in beam_search.  Raises InputError unless max_length is at least 1.
    """
    return _one_each(step, state, start, end, max_length, forbid, lambda p: p.argmax(axis=1))


def sample(
    step: Step,
    state: State,
    start: int,
    end: int,
    max_length: int = 20,
    temperature: float = 1.0,
    rng: np.random.Generator | int = 0,
    forbid: Forbid | None = None,
) -> list[Hypothesis]:
    """Draw every word from the softmax of log probability / temperature; one caption for every row.

    forbid: as in beam_search.
    Raises InputError unless the temperature is positive and finite, and max_length at least 1.
    """
    if not 0 < temperature < np.inf:
        raise InputError(f"sample: temperature is {temperature} but must be positive; for 0 use greedy")
    rng = np.random.default_rng(rng)

    def draw(log_probs: NDArray[np.float64]) -> NDArray[np.intp]:
        # argmax of log p / temperature + Gumbel noise is a draw from the softmax (Gumbel 1954).
        return np.argmax(log_probs / temperature + rng.gumbel(size=log_probs.shape), axis=1)

    return _one_each(step, state, start, end, max_length, forbid, draw)


def beam_search(
    step: Step,
    state: State,
    start: int,
    end: int,
    max_length: int = 20,
    beam: int = 3,
    length_power: float = 0.0,
    forbid: Forbid | None = None,
) -> list[list[Hypothesis]]:
    """Keep the `beam` most probable beginnings at every step (Sutskever et al. 2014, section 3.2).

    A beginning that takes <end> is finished and frees no place: the search of a row is over when `beam`
    captions are finished.  What is unfinished after max_length words is returned too, behind the finished.
    length_power: captions are ranked by log probability / words ** length_power, <end> counted as a word;
    0 ranks by probability, 1 by the mean over the words.
    forbid: from the words of a beginning to those that must not come next; `lambda words: words` lets no
    word be said twice.

    Returns for every row of the state its hypotheses, best first.  A beam of 1 is greedy decoding.
    Raises InputError unless beam and max_length are at least 1 and length_power is finite.
    """
    if not isinstance(beam, (int, np.integer)) or beam < 1:
        raise InputError(f"beam_search: beam is {beam!r} but must be a whole number, at least 1")
    if not isfinite(length_power):
        raise InputError(f"beam_search: length_power is {length_power} but must be finite")
    _check_length(max_length)
    live = [Beam(owner) for owner in range(len(state[0]))]
    found: list[list[Hypothesis]] = [[] for _ in live]
    for _ in range(max_length):
        totals, state, extras = _step(step, state, live, start, forbid)
        totals += np.array([b.log_prob for b in live])[:, None]
        parents, grown = [], []
        for owner, rows in _rows_of_owners(live).items():
            best = _best(totals, rows, beam - len(found[owner]))
            if not best:  # every next word is impossible
                found[owner] += [live[row].hypothesis(False, length_power) for row in rows]
            for row, word, log_prob in best:
                longer = _grow(live[row], word, end, log_prob, extras[row])
                if word == end:
                    found[owner].append(longer.hypothesis(True, length_power))
                else:
                    parents.append(row)
                    grown.append(longer)
        live = grown
        if not live:
            break
        chosen = to_device(np.array(parents))
        state = tuple(array[chosen] for array in state)
    for b in live:
        found[b.owner].append(b.hypothesis(False, length_power))
    return [sorted(hypotheses, key=lambda h: (not h.finished, -h.score)) for hypotheses in found]


def _one_each(
    step: Step,
    state: State,
    start: int,
    end: int,
    max_length: int,
    forbid: Forbid | None,
    choose: Callable[[NDArray[np.float64]], NDArray[np.intp]],
) -> list[Hypothesis]:
    """One caption for every row, its words chosen from the log probabilities (B, V) of every step."""
    _check_length(max_length)
    captions = [Beam(owner) for owner in range(len(state[0]))]
    finished, live = [False] * len(captions), set(range(len(captions)))
    for _ in range(max_length):
        log_probs, state, extras = _step(step, state, captions, start, forbid)
        words = choose(log_probs)
        for row in sorted(live):
            word, log_prob = int(words[row]), log_probs[row, words[row]]
            if log_prob > -np.inf:
                total = captions[row].log_prob + log_prob
                captions[row] = _grow(captions[row], word, end, total, extras[row])
                finished[row] = word == end
            if finished[row] or log_prob == -np.inf:
                live.discard(row)
        if not live:
            break
    return [caption.hypothesis(ended) for caption, ended in zip(captions, finished, strict=True)]


def _step(
    step: Step, state: State, beams: list[Beam], start: int, forbid: Forbid | None
) -> tuple[NDArray[np.float64], State, list[Extras]]:
    """One step of the model after the last word of every beam; log probabilities and extras on the host."""
    last = np.array([beam.words[-1] if beam.words else start for beam in beams], dtype=np.int64)
    device_log_probs, state, device_extras = step(state, to_device(last))
    log_probs = to_host(device_log_probs).astype(np.float64)
    if np.isnan(log_probs).any():
        raise InputError("decoding: the model's step gave log probabilities that are not numbers (NaN)")
    if forbid:
        pairs = [(row, word) for row, beam in enumerate(beams) for word in forbid(beam.words)]
        rows, words = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        log_probs[rows, words] = -np.inf
    extras = {name: to_host(array) for name, array in device_extras.items()}
    return log_probs, state, [{name: a[row] for name, a in extras.items()} for row in range(len(beams))]


def _grow(beam: Beam, word: int, end: int, log_prob: float, extras: Extras) -> Beam:
    """The beginning with one more word; <end> is not kept among the words."""
    words = beam.words if word == end else (*beam.words, word)
    return Beam(beam.owner, words, log_prob, (*beam.extras, extras))


def _rows_of_owners(beams: list[Beam]) -> dict[int, list[int]]:
    rows: dict[int, list[int]] = {}
    for row, beam in enumerate(beams):
        rows.setdefault(beam.owner, []).append(row)
    return rows


def _best(totals: NDArray[np.float64], rows: list[int], most: int) -> list[tuple[int, int, float]]:
    """The best continuations of some rows as (row, word, log probability), best first."""
    flat = totals[rows].ravel()
    most = min(most, flat.size)
    least = np.partition(flat, -most)[-most]
    top = np.flatnonzero(flat >= least)
    top = top[np.argsort(-flat[top], kind="stable")][:most]  # of equals the first, as argmax
    size = totals.shape[1]
    return [(rows[i // size], int(i % size), float(flat[i])) for i in top if flat[i] > -np.inf]


def _check_length(max_length: int) -> None:
    if not isinstance(max_length, (int, np.integer)) or max_length < 1:
        raise InputError(f"max_length is {max_length!r} but must be a whole number, at least 1")
