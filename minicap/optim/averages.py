"""Averages of weights over the steps: one that training continues from, and one for evaluation only."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from minicap.arrays import Array, to_device
from minicap.errors import InputError, ShapeError
from minicap.optim.rule import Params, UpdateRule, is_number

_SLOW, _MEAN = "slow/", "average/"


class Lookahead:
    """k steps forward, 1 step back (Zhang et al. 2019, algorithm 1), around any rule and used as one.

    After every k steps of the rule, the slow weights move the fraction alpha of the way to the fast ones,
    which restart from there:  slow += alpha (w - slow),  w = slow.
    alpha: a number, or a function of the steps done.
    What a step is handed beside the parameters that it moves, such as running statistics, goes the same way.
    """

    def __init__(self, rule: UpdateRule, k: int = 5, alpha: float | Callable[[int], float] = 0.5) -> None:
        if not isinstance(k, (int, np.integer)) or k < 1:
            raise InputError(f"Lookahead: k is {k!r} but must be a whole number, at least 1")
        if not callable(alpha) and not (is_number(alpha) and 0 < alpha <= 1):
            raise InputError(f"Lookahead: alpha is {alpha!r} but must be above 0 and at most 1")
        if isinstance(rule, Lookahead):
            raise InputError("Lookahead: the rule inside is a Lookahead already")
        self.rule, self.k, self.alpha = rule, k, alpha
        self.slow: dict[str, Array] = {}

    @property
    def learning_rate(self) -> float:
        return self.rule.learning_rate

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.rule.learning_rate = rate

    @property
    def step_count(self) -> int:
        """Steps done."""
        return self.rule.step_count

    def step(self, params: Params, grads: Mapping[str, Array]) -> None:
        """Move every parameter that has a gradient, as Rule.step."""
        start = {name: w.copy() for name, w in params.items() if name not in self.slow}
        self.rule.step(params, grads)
        self.slow |= start
        if self.step_count % self.k:
            return
        alpha = self.alpha(self.step_count) if callable(self.alpha) else self.alpha
        for name, slow in self.slow.items():
            slow += alpha * (params[name] - slow)
            params[name][...] = slow

    def arrays(self) -> dict[str, Array]:
        """The rule's state and the slow weights, as Rule.arrays."""
        return self.rule.arrays() | {f"{_SLOW}{name}": slow for name, slow in self.slow.items()}

    def load(self, arrays: Mapping[str, Array], step_count: int) -> None:
        """Restore the state of a checkpoint, as Rule.load."""
        of_rule = {key: array for key, array in arrays.items() if not key.startswith(_SLOW)}
        slow = {key.removeprefix(_SLOW): array for key, array in arrays.items() if key not in of_rule}
        if missing := sorted({key.partition("/")[2] for key in of_rule} - set(slow)):
            raise InputError(f"Lookahead: {_SLOW}{missing[0]} is missing; does it belong to another rule?")
        self.rule.load(of_rule, step_count)
        self.slow = {name: to_device(array).copy() for name, array in slow.items()}


def rising_lookahead(final: float, power: float, steps: int) -> Callable[[int], float]:
    """The alpha of a Lookahead that goes from 1, no average at all, to `final` at the last step.

    alpha = 1 - (1 - final) (step / steps)^power  (Jordan 2024, section 3.4).
    """
    return lambda step: 1 - (1 - final) * min(step / steps, 1.0) ** power


class WeightAverage:
    """An exponential moving average of weights (Kingma & Ba 2015, section 7.2), for evaluation.

    mean = decay mean + (1 - decay) w, corrected for its start at zero as in Adam.
    With decay 0 the mean would be the weights themselves, so none is kept.
    """

    def __init__(self, decay: float) -> None:
        if not (is_number(decay) and 0 <= decay < 1):
            raise InputError(f"WeightAverage: decay is {decay!r} but must be at least 0 and below 1")
        self.decay = decay
        self.means: dict[str, Array] = {}

    def update(self, weights: Mapping[str, Array], step_count: int) -> None:
        """Include the weights after this many steps, counted from 1."""
        if not self.decay:
            return
        share = (1 - self.decay) / (1 - self.decay**step_count)
        for name, w in weights.items():
            if name not in self.means:
                self.means[name] = w.copy()
            mean = self.means[name]
            mean += share * (w - mean)

    @contextmanager
    def standing_in(self, weights: Mapping[str, Array]) -> Iterator[None]:
        """Replace the weights by the means inside the `with` block, and restore them after it."""
        own = {name: weights[name].copy() for name in self.means}
        _write(weights, self.means)
        try:
            yield
        finally:
            _write(weights, own)

    def arrays(self) -> dict[str, Array]:
        """The means as flat arrays for a checkpoint: "average/conv1.w"."""
        return {f"{_MEAN}{name}": mean for name, mean in self.means.items()}

    def load(self, arrays: Mapping[str, Array], weights: Mapping[str, Array]) -> dict[str, Array]:
        """Restore the means of these weights from a checkpoint's arrays; return its other arrays.

        Raises InputError unless there is a mean of every weight or none at all, ShapeError for a mean of
        another shape; then nothing has changed.
        """
        means = {key.removeprefix(_MEAN): a for key, a in arrays.items() if key.startswith(_MEAN)}
        if means and (odd := sorted(set(means) ^ set(weights))):
            raise InputError(f"WeightAverage: {odd[0]} has a mean or is in the model, but not both")
        for name, mean in means.items():
            if mean.shape != weights[name].shape:
                raise ShapeError(
                    f"WeightAverage: the mean of {name} is {mean.shape} but it is {weights[name].shape}"
                )
        self.means = {name: to_device(mean).copy() for name, mean in means.items()}
        return {key: array for key, array in arrays.items() if not key.startswith(_MEAN)}


def _write(weights: Mapping[str, Array], values: Mapping[str, Array]) -> None:
    for name, value in values.items():
        weights[name][...] = value
