"""One caption for every row: the most probable words, or words drawn at random."""

from collections.abc import Callable

import numpy as np

from minicap.arrays import Array, backend_of, to_device, to_host
from minicap.decoding.hypothesis import Beginning, Hypothesis
from minicap.decoding.next_words import Forbid, State, Step, next_words, require_length, rows_of
from minicap.errors import InputError


def greedy(
    step: Step, state: State, start: int, end: int, max_length: int = 20, forbid: Forbid | None = None
) -> list[Hypothesis]:
    """Take the most probable word at every step; one caption for every row of the state.

    forbid: as in beam_search.  Raises InputError unless max_length is at least 1.
    """
    return _one_each(step, state, start, end, max_length, forbid, lambda log_probs: log_probs.argmax(axis=1))


def sample(
    step: Step,
    state: State,
    start: int,
    end: int,
    max_length: int = 20,
    temperature: float = 1.0,
    rng: np.random.Generator | int = 0,
    forbid: Forbid | None = None,
    top_k: int = 0,
    top_p: float = 1.0,
) -> list[Hypothesis]:
    """Draw every word from the softmax of log probability / temperature; one caption for every row.

    top_k: draw from this many of the most probable words, 0 for all (Fan et al. 2018).
    top_p: draw from the fewest most probable words that together have this probability, the nucleus
    (Holtzman et al. 2020); it applies after temperature and top_k.  Ties with the last
    word kept are kept, too.
    forbid: as in beam_search.
    Raises InputError unless the temperature is positive and finite, max_length at least 1, top_k not negative
    and top_p above 0 and at most 1.
    """
    if not 0 < temperature < np.inf:
        raise InputError(f"sample: temperature is {temperature} but must be positive; for 0 use greedy")
    if not isinstance(top_k, (int, np.integer)) or top_k < 0:
        raise InputError(f"sample: top_k is {top_k!r} but must be a whole number, 0 for all words")
    if not 0 < top_p <= 1:
        raise InputError(f"sample: top_p is {top_p} but must be above 0 and at most 1")
    if not isinstance(rng, np.random.Generator) and not (isinstance(rng, (int, np.integer)) and rng >= 0):
        raise InputError(f"sample: rng is {rng!r} but must be a numpy Generator or a seed, at least 0")
    rng = np.random.default_rng(rng)

    def draw(log_probs: Array) -> Array:
        p = softmax(log_probs.astype(np.float64) / temperature)
        if 0 < top_k < p.shape[1]:
            p = most_probable(p, top_k)
        if top_p < 1:
            p = nucleus(p, top_p)
        xp = backend_of(p=p).xp
        # The first word at which the summed probabilities pass a number drawn below their sum.
        sums = xp.cumsum(p, axis=1)
        passed = to_device(rng.random((len(p), 1)), backend_of(p=p)) * sums[:, -1:]
        return (sums > passed).argmax(axis=1)

    return _one_each(step, state, start, end, max_length, forbid, draw)


def softmax(scores: Array) -> Array:
    """Probabilities (B, V); of a row that is -inf throughout, zeros."""
    xp = backend_of(scores=scores).xp
    highest = scores.max(axis=1, keepdims=True)
    e = xp.exp(scores - xp.where(xp.isfinite(highest), highest, 0))
    return e / xp.maximum(e.sum(axis=1, keepdims=True), np.finfo(e.dtype).tiny)


def most_probable(p: Array, top_k: int) -> Array:
    """p (B, V) with all but the top_k highest of every row set to 0."""
    least = backend_of(p=p).xp.sort(p, axis=1)[:, -top_k, None]
    return p * (p >= least)


def nucleus(p: Array, top_p: float) -> Array:
    """p (B, V) with all set to 0 but the fewest highest of every row that sum to at least top_p of it."""
    xp = backend_of(p=p).xp
    falling = xp.sort(p, axis=1)[:, ::-1]
    sums = xp.cumsum(falling, axis=1)
    inside = (sums - falling) < top_p * sums[:, -1:]  # the sum before this word is below top_p
    least = xp.where(inside, falling, 1).min(axis=1, keepdims=True)
    return p * (p >= least)


def _one_each(
    step: Step,
    state: State,
    start: int,
    end: int,
    max_length: int,
    forbid: Forbid | None,
    choose: Callable[[Array], Array],
) -> list[Hypothesis]:
    """One caption for every row.  choose: the words (B,) for log probabilities (B, V)."""
    require_length(max_length)

    live = [Beginning(owner) for owner in range(len(state[0]))]
    captions: dict[int, Hypothesis] = {}
    for _ in range(max_length):
        if not live:
            break
        log_probs, state, extras = next_words(step, state, live, start, forbid)
        words = choose(log_probs)
        of_words = log_probs[backend_of(words=words).xp.arange(len(live)), words]
        going_on = {}
        for row, (word, log_prob) in enumerate(
            zip(to_host(words).tolist(), to_host(of_words).tolist(), strict=True)
        ):
            b = live[row]
            if log_prob == -np.inf:  # every next word is impossible
                captions[b.owner] = b.hypothesis(False)
                continue
            longer = b.grown(word, end, log_prob, extras, row)
            if word == end:
                captions[b.owner] = longer.hypothesis(True)
            else:
                going_on[row] = longer
        if len(going_on) < len(live):
            state = rows_of(state, list(going_on))
        live = list(going_on.values())
    captions |= {b.owner: b.hypothesis(False) for b in live}
    return [captions[owner] for owner in range(len(captions))]
