"""A caption, and the beginning of one."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from minicap.arrays import Array

Extras = dict[str, Array]


@dataclass(frozen=True)
class Hypothesis:
    """A caption as word indices without <start> and <end>.

    log_prob: of all its words, <end> included when finished.  score: what beams are ranked by.
    extras: those of the model's steps, (T, ...) each, with a row for every word, and for <end> when finished.
    """

    words: tuple[int, ...]
    log_prob: float
    score: float
    finished: bool
    extras: Extras = field(default_factory=dict, compare=False)


class Beginning(NamedTuple):
    """The words of a caption so far.

    owner: the row it belongs to.  group: the beam group that it searches with.  extras: those of its steps so
    far, each with its row in them.
    """

    owner: int
    group: int = 0
    words: tuple[int, ...] = ()
    log_prob: float = 0.0
    extras: tuple[tuple[Extras, int], ...] = ()

    def grown(self, word: int, end: int, log_prob: float, extras: Extras, row: int) -> "Beginning":
        """The beginning with one more word of this log probability; <end> is not kept among the words."""
        words = self.words if word == end else (*self.words, word)
        of_steps = (*self.extras, (extras, row))
        return Beginning(self.owner, self.group, words, self.log_prob + log_prob, of_steps)

    def hypothesis(self, finished: bool, length_power: float = 0.0) -> Hypothesis:
        """The caption, ranked by log probability / words ** length_power, <end> counted as a word."""
        score = self.log_prob / max(len(self.words) + finished, 1) ** length_power
        names = self.extras[0][0] if self.extras else ()
        extras = {name: np.stack([step[name][row] for step, row in self.extras]) for name in names}
        return Hypothesis(self.words, float(self.log_prob), float(score), finished, extras)
