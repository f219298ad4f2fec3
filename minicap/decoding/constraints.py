"""What a caption must not say."""

from collections.abc import Iterable, Sequence

import numpy as np

from minicap.arrays import Array
from minicap.decoding.hypothesis import Extras
from minicap.decoding.next_words import Forbid, State, Step
from minicap.errors import InputError


def without(step: Step, never: Sequence[int]) -> Step:
    """The step of a model that never says some words."""
    words = list(never)

    def quiet(state: State, last: Array) -> tuple[Array, State, Extras]:
        log_probs, state, extras = step(state, last)
        log_probs = log_probs.copy()
        for word in words:
            log_probs[:, word] = -np.inf
        return log_probs, state, extras

    return quiet


def no_repeats(n: int) -> Forbid:
    """Forbid every word that would repeat a run of n words; n = 3 is trigram blocking.

    With n = 1 no word occurs twice.  Source: Paulus et al. 2018, A Deep Reinforced Model for Abstractive
    Summarization, section 2.5.
    Raises InputError unless n is at least 1.
    """
    if n < 1:
        raise InputError(f"no_repeats: n is {n} but must be at least 1")

    def forbid(words: Sequence[int]) -> list[int]:
        if len(words) < n:
            return []
        said = tuple(words[len(words) - n + 1 :])  # the n - 1 words that the next one would follow
        return [words[i + n - 1] for i in range(len(words) - n + 1) if tuple(words[i : i + n - 1]) == said]

    return forbid


def all_of(*rules: Forbid) -> Forbid:
    """Forbid what any of the rules forbids."""

    def forbid(words: Sequence[int]) -> Iterable[int]:
        return {word for rule in rules for word in rule(words)}

    return forbid
