"""From a model that scores the next word to whole captions: greedy, sampled, or by beam search.

A decoder sees the model through one function, `step(state, words)`.  words: (B,) the last word of every
row.  state: a tuple of arrays with B rows each.  It returns log probabilities (B, V) of the next word,
the next state, and extras: arrays with B rows that explain the step, such as attention weights.
"""

from minicap.decoding.beams import beam_search
from minicap.decoding.constraints import all_of, no_repeats, without
from minicap.decoding.hypothesis import Beginning, Extras, Hypothesis
from minicap.decoding.next_words import Forbid, State, Step
from minicap.decoding.one_each import greedy, sample
from minicap.decoding.settings import Decoding

__all__ = [
    "Beginning",
    "Decoding",
    "Extras",
    "Forbid",
    "Hypothesis",
    "State",
    "Step",
    "all_of",
    "beam_search",
    "greedy",
    "no_repeats",
    "sample",
    "without",
]
