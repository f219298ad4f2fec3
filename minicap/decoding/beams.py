"""Beam search: many beginnings of a caption at once, of which the best continue."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from math import isfinite
from typing import NamedTuple

import numpy as np

from minicap.arrays import Array, backend_of, to_device
from minicap.decoding.hypothesis import Beginning, Hypothesis
from minicap.decoding.next_words import Forbid, State, Step, best, next_words, require_length, rows_of
from minicap.errors import InputError

Taken = Counter[tuple[int, int]]  # how often a word was taken at this step, by owner and word


class Choice(NamedTuple):
    """A word that may come next.  row: of the beginning that it continues.  log_prob: without penalties."""

    row: int
    word: int
    log_prob: float


def beam_search(
    step: Step,
    state: State,
    start: int,
    end: int,
    max_length: int = 20,
    beam: int = 3,
    length_power: float = 0.0,
    forbid: Forbid | None = None,
    groups: int = 1,
    diversity: float = 0.5,
) -> list[list[Hypothesis]]:
    """Keep the `beam` most probable beginnings at every step (Sutskever et al. 2014, section 3.2).

    A beginning that takes <end> is finished but keeps its place in the beam: the search of a row is over when
    `beam` captions are finished.  Those unfinished after max_length words are returned too, after the others.
    length_power: captions are ranked by log probability / words ** length_power, <end> counted as a word;
    0 ranks by probability, 1 by the mean over the words.
    forbid: a function from the words of a beginning to those that must not come next; `lambda words: words`
    allows no word twice.
    groups: diverse beam search (Vijayakumar et al. 2018).  Each group has beam / groups places.  The groups
    choose their words in turn, and the log probability of a word is lowered by `diversity` for every time
    that an earlier group took it at this step.

    Returns for every row of the state its hypotheses, best first.  A beam of 1 is greedy decoding.
    Raises InputError unless beam and max_length are at least 1, length_power is finite, beam is a multiple of
    groups, and diversity is finite and not negative.
    """
    _check(beam, length_power, groups, diversity)
    require_length(max_length)

    owners, places = range(len(state[0])), beam // groups
    live = [Beginning(owner, group) for group in range(groups) for owner in owners]
    state = rows_of(state, [b.owner for b in live])
    found: dict[tuple[int, int], list[Hypothesis]] = defaultdict(list)  # by owner and group
    for _ in range(max_length):
        if not live:
            break
        log_probs, state, extras = next_words(step, state, live, start, forbid)
        grown: list[tuple[int, Beginning]] = []  # with the row that each grew from
        taken: Taken = Counter()
        for group in range(groups):
            rows = [row for row, b in enumerate(live) if b.group == group]
            room = {live[row].owner: places - len(found[live[row].owner, group]) for row in rows}
            stuck = set(room)
            for row, word, log_prob in _best_first(log_probs, live, rows, places, taken, diversity):
                owner = live[row].owner
                if room[owner]:
                    room[owner] -= 1
                    taken[owner, word] += 1
                    stuck.discard(owner)
                    longer = live[row].grown(word, end, log_prob, extras, row)
                    if word == end:
                        found[owner, group].append(longer.hypothesis(True, length_power))
                    else:
                        grown.append((row, longer))
            for row in rows:
                if live[row].owner in stuck:  # every next word is impossible
                    found[live[row].owner, group].append(live[row].hypothesis(False, length_power))
        state = rows_of(state, [row for row, _ in grown])
        live = [longer for _, longer in grown]
    for b in live:
        found[b.owner, b.group].append(b.hypothesis(False, length_power))
    return [
        sorted(
            (h for group in range(groups) for h in found[owner, group]),
            key=lambda h: (not h.finished, -h.score),
        )
        for owner in owners
    ]


def _best_first(
    log_probs: Array,
    live: Sequence[Beginning],
    rows: Sequence[int],
    places: int,
    taken: Taken,
    diversity: float,
) -> list[Choice]:
    """The possible continuations of the beginnings in these rows: owner by owner, best first."""
    if not rows:
        return []
    (scores,) = rows_of((log_probs,), rows)
    owners = [live[row].owner for row in rows]
    _lower(scores, owners, taken, diversity)
    # At most as many words of one beginning as there are places can be among the best of its owner.
    words, offers = best(scores, places)
    totals = np.array([live[row].log_prob for row in rows])[:, None] + offers
    each = words.shape[1]
    # lexsort is stable, so the first of equals wins, as with argmax.
    order = np.lexsort((-totals.ravel(), np.repeat(owners, each)))
    order = order[offers.ravel()[order] > -np.inf]
    which, chosen = (order // each).tolist(), words.ravel()[order].tolist()
    return [
        Choice(rows[row], word, offer + diversity * taken[owners[row], word] if taken else offer)
        for row, word, offer in zip(which, chosen, offers.ravel()[order].tolist(), strict=True)
    ]


def _lower(scores: Array, owners: Sequence[int], taken: Taken, diversity: float) -> None:
    """Lower the scores of words that other groups have taken, in place."""
    pairs = [(row, word) for row, owner in enumerate(owners) for of, word in taken if of == owner]
    if pairs and diversity:
        rows, words = np.array(pairs, dtype=np.int64).T
        times = np.array([taken[owners[row], word] for row, word in pairs])
        penalty = (diversity * times).astype(scores.dtype)
        own = backend_of(scores=scores)
        scores[to_device(rows, own), to_device(words, own)] -= to_device(penalty, own)


def _check(beam: int, length_power: float, groups: int, diversity: float) -> None:
    for name, value in (("beam", beam), ("groups", groups)):
        if not isinstance(value, (int, np.integer)) or value < 1:
            raise InputError(f"beam_search: {name} is {value!r} but must be a whole number, at least 1")
    if beam % groups:
        raise InputError(f"beam_search: a beam of {beam} cannot be shared by {groups} groups evenly")
    if not isfinite(length_power):
        raise InputError(f"beam_search: length_power is {length_power} but must be finite")
    if not 0 <= diversity < np.inf:
        raise InputError(f"beam_search: diversity is {diversity} but must be finite and not negative")
