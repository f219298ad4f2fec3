"""One step of a model for many beginnings, and the best next words."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, backend_of, to_device, to_host
from minicap.decoding.hypothesis import Beginning, Extras
from minicap.errors import InputError

State = tuple[Array, ...]
Step = Callable[[State, Array], tuple[Array, State, Extras]]
Forbid = Callable[[Sequence[int]], Iterable[int]]


class Candidates(NamedTuple):
    """The best next words of every row, best first, on the host: words (B, most), log_probs (B, most)."""

    words: NDArray[np.int64]
    log_probs: NDArray[np.float64]


def next_words(
    step: Step, state: State, beginnings: Sequence[Beginning], start: int, forbid: Forbid | None
) -> tuple[Array, State, Extras]:
    """What follows the last word of every beginning.

    Returns log probabilities (B, V), a copy of the model's, -inf for what is forbidden; the state; and the
    extras on the host.
    """
    last = np.array([b.words[-1] if b.words else start for b in beginnings], dtype=np.int64)
    log_probs, state, extras = step(state, to_device(last))
    log_probs = log_probs.copy()
    if bool(to_host(backend_of(log_probs=log_probs).xp.isnan(log_probs).any())):
        raise InputError("decoding: the model's step gave log probabilities that are not numbers (NaN)")
    if forbid:
        exclude(log_probs, ((row, word) for row, b in enumerate(beginnings) for word in forbid(b.words)))
    return log_probs, state, {name: to_host(array) for name, array in extras.items()}


def exclude(log_probs: Array, pairs: Iterable[tuple[int, int]]) -> None:
    """Make words impossible, in place.  pairs: (row, word).

    Raises InputError for a word that the model does not have.
    """
    rows, words = np.array(list(pairs), dtype=np.int64).reshape(-1, 2).T
    if len(rows):
        if not 0 <= words.min() <= words.max() < log_probs.shape[1]:
            raise InputError(f"decoding: a word outside 0..{log_probs.shape[1] - 1} was forbidden")
        log_probs[_beside(log_probs, rows), _beside(log_probs, words)] = -np.inf


def best(scores: Array, most: int) -> Candidates:
    """The `most` highest of scores (B, V) in every row; the first among equals.

    Finding the highest `most` times is faster than sorting V words, and stays on the device.
    """
    xp = backend_of(scores=scores).xp
    scores, rows = scores.copy(), xp.arange(len(scores))
    words, values = [], []
    for _ in range(min(most, scores.shape[1])):
        highest = scores.argmax(axis=1)
        words.append(highest)
        values.append(scores[rows, highest])
        scores[rows, highest] = -xp.inf
    return Candidates(to_host(xp.stack(words, axis=1)), to_host(xp.stack(values, axis=1)).astype(np.float64))


def rows_of(state: State, rows: Sequence[int]) -> State:
    """The state of these rows."""
    if not state:
        return state
    chosen = _beside(state[0], np.array(rows, dtype=np.int64))
    return tuple(array[chosen] for array in state)


def require_length(max_length: Any) -> None:
    """Raise InputError unless it is a whole number, at least 1."""
    if not isinstance(max_length, (int, np.integer)) or max_length < 1:
        raise InputError(f"max_length is {max_length!r} but must be a whole number, at least 1")


def _beside(array: Array, indices: NDArray[np.int64]) -> Array:
    """The indices on the array's device."""
    return to_device(indices, backend_of(array=array))
