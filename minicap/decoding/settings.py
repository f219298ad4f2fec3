"""How captions are decoded, as one set of settings."""

from dataclasses import dataclass

import numpy as np

from minicap.decoding.beams import beam_search
from minicap.decoding.constraints import all_of, no_repeats
from minicap.decoding.hypothesis import Hypothesis
from minicap.decoding.next_words import Forbid, State, Step
from minicap.decoding.one_each import greedy, sample
from minicap.errors import InputError

USUAL_BEAM = 3


@dataclass(frozen=True)
class Decoding:
    """How captions are decoded: by beam search, or by sampling if a temperature is given.

    beam: how many beginnings are kept, 1 for greedy decoding; 3 where None.
    length_power, groups, diversity: for beam search.  temperature, top_k, top_p: for `sample`.
    no_repeats: no run of this many words occurs twice, 3 for trigram blocking; 0 for no such rule.
    Raises InputError for settings that contradict each other.
    """

    beam: int | None = None
    length_power: float = 0.7
    groups: int = 1
    diversity: float = 0.5
    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    no_repeats: int = 0

    def __post_init__(self) -> None:
        drawn = bool(self.temperature)
        if drawn and (self.beam not in (None, 1) or self.groups > 1):
            raise InputError("a temperature draws one caption at random; leave out beam and groups")
        if not drawn and (self.top_k or self.top_p < 1):
            raise InputError("top_k and top_p are for captions drawn at random; give a temperature")
        if not drawn and self.places % self.groups:
            raise InputError(f"a beam of {self.places} cannot be shared by {self.groups} groups evenly")

    @property
    def places(self) -> int:
        return USUAL_BEAM if self.beam is None else self.beam

    @property
    def name(self) -> str:
        """A short name, for a table."""
        if self.temperature:
            k = f", top k {self.top_k}" if self.top_k else ""
            p = f", top p {self.top_p:g}" if self.top_p < 1 else ""
            return f"drawn at {self.temperature:g}{k}{p}"
        if self.places == 1:
            return "greedy"
        return f"beam {self.places}" + (f" in {self.groups} groups" if self.groups > 1 else "")

    def decode(
        self,
        step: Step,
        state: State,
        start: int,
        end: int,
        max_length: int,
        rng: np.random.Generator | int = 0,
        forbid: Forbid | None = None,
    ) -> list[list[Hypothesis]]:
        """Hypotheses for every row of the state, best first; arguments as in the decoders."""
        if self.no_repeats:
            rule = no_repeats(self.no_repeats)
            forbid = all_of(rule, forbid) if forbid else rule
        search = (step, state, start, end, max_length)
        if self.temperature:
            drawn = sample(*search, self.temperature, rng, forbid, self.top_k, self.top_p)
            return [[caption] for caption in drawn]
        if self.places == 1:
            return [[caption] for caption in greedy(*search, forbid)]
        return beam_search(*search, self.places, self.length_power, forbid, self.groups, self.diversity)
