"""What the update rules share: memory of each parameter, weight decay, checkpoints."""

from collections.abc import Mapping
from math import inf
from numbers import Real
from typing import Protocol

from minicap.arrays import Array, backend_of, to_device
from minicap.arrays.dispatch import find_override
from minicap.errors import DtypeError, InputError, ShapeError

Params = dict[str, Array]


class UpdateRule(Protocol):
    """What the Trainer needs from a rule: Rule, and the classes around one (GroupedRule, Lookahead)."""

    learning_rate: float

    @property
    def step_count(self) -> int: ...
    def step(self, params: Params, grads: Mapping[str, Array]) -> None: ...
    def arrays(self) -> dict[str, Array]: ...
    def load(self, arrays: Mapping[str, Array], step_count: int) -> None: ...


def is_number(value: object) -> bool:
    """Whether a setting is a number, Python's or NumPy's."""
    return isinstance(value, Real)


def at_least_0(value: float) -> bool:
    """Whether a setting is a finite number that is not negative."""
    return is_number(value) and 0 <= value < inf


class Rule:
    """Base of the update rules.

    A subclass names in `slots` the arrays it keeps for each parameter, and writes `update` for one
    parameter.  Parameters are changed in place, so a model's arrays stay the same objects.
    weight_decay: adds weight_decay * w to every gradient (an L2 penalty of weight_decay / 2 * |w|^2).
    l1: adds l1 * sign(w) to every gradient (a penalty of l1 * sum |w|).
    """

    slots: tuple[str, ...] = ()

    def __init__(self, learning_rate: float, weight_decay: float = 0.0, l1: float = 0.0) -> None:
        self._require(
            is_number(learning_rate) and 0 < learning_rate < inf,
            f"learning_rate is {learning_rate!r} but must be a positive number",
        )
        self._require_at_least_0(weight_decay=weight_decay, l1=l1)
        self.learning_rate, self.weight_decay, self.l1 = learning_rate, weight_decay, l1
        self.step_count = 0
        self.state: dict[str, dict[str, Array]] = {slot: {} for slot in self.slots}

    def _require(self, condition: bool, message: str) -> None:
        if not condition:
            raise InputError(f"{type(self).__name__}: {message}")

    def _require_share(self, **shares: float) -> None:
        """Raise InputError unless each, the share of a mean kept from step to step, lies in [0, 1)."""
        for name, share in shares.items():
            self._require(
                is_number(share) and 0 <= share < 1,
                f"{name} is {share!r} but must be at least 0 and below 1",
            )

    def _require_at_least_0(self, **settings: float) -> None:
        for name, value in settings.items():
            self._require(at_least_0(value), f"{name} is {value!r} but must be a number, at least 0")

    def step(self, params: Params, grads: Mapping[str, Array]) -> None:
        """Move every parameter that has a gradient.

        Raises InputError for a gradient without a parameter, ShapeError or DtypeError for one of another
        shape or dtype; then nothing has moved.
        """
        if unknown := sorted(set(grads) - set(params)):
            raise InputError(f"{type(self).__name__}.step: no parameter is called {unknown[0]!r}")
        for name, dw in grads.items():
            if dw.shape != params[name].shape:
                raise ShapeError(
                    f"{type(self).__name__}.step: the gradient of {name} is {dw.shape} "
                    f"but the parameter {params[name].shape}"
                )
            if dw.dtype != params[name].dtype:
                raise DtypeError(
                    f"{type(self).__name__}.step: the gradient of {name} is {dw.dtype} "
                    f"but the parameter {params[name].dtype}"
                )
        self.step_count += 1
        if not grads:
            return
        ws, dws = [params[name] for name in grads], list(grads.values())
        if self.l1:
            dws = [dw + self.l1 * backend_of(w=w).xp.sign(w) for w, dw in zip(ws, dws, strict=True)]
        states = [self._state_of(name, params[name]) for name in grads]
        stands_in_for = type(self).update, type(self).apply
        at_once = find_override(stands_in_for, ws[0], self, ws, dws, states)
        if at_once:
            at_once(self, ws, dws, states)
            return
        for w, dw, state in zip(ws, dws, states, strict=True):
            self.apply(w, dw, state)

    def apply(self, w: Array, dw: Array, state: dict[str, Array]) -> None:
        """Move one parameter, with weight decay."""
        self.update(w, dw + self.weight_decay * w if self.weight_decay else dw, state)

    def update(self, w: Array, dw: Array, state: dict[str, Array]) -> None:
        """Change w in place, and the arrays of state, one like w for every slot, zero at first."""
        raise NotImplementedError(f"{type(self).__name__}.update")

    def _state_of(self, name: str, w: Array) -> dict[str, Array]:
        for arrays in self.state.values():
            if name not in arrays:
                arrays[name] = backend_of(w=w).xp.zeros_like(w)
        return {slot: arrays[name] for slot, arrays in self.state.items()}

    def arrays(self) -> dict[str, Array]:
        """The state as flat arrays for a checkpoint: "v/conv1.w"."""
        return {f"{slot}/{name}": a for slot, arrays in self.state.items() for name, a in arrays.items()}

    def load(self, arrays: Mapping[str, Array], step_count: int) -> None:
        """Restore the state of a checkpoint; the arrays are copied.

        Raises InputError for a slot that is unknown to this rule or missing; then nothing has changed.
        """
        state: dict[str, dict[str, Array]] = {slot: {} for slot in self.slots}
        for key, array in arrays.items():
            slot, _, name = key.partition("/")
            if slot not in state:
                raise InputError(
                    f"{type(self).__name__} has no slot {slot!r}; does it belong to another rule?"
                )
            state[slot][name] = to_device(array).copy()
        names = {name for kept in state.values() for name in kept}
        for slot, kept in state.items():
            if missing := sorted(names - set(kept)):
                raise InputError(
                    f"{type(self).__name__}: {slot}/{missing[0]} is missing; does it belong to another rule?"
                )
        self.state, self.step_count = state, step_count
