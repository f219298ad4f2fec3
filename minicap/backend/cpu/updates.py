"""The update rules of minicap.optim on all cores: their own bodies, in pieces that stay in cache.

This works because these rules update each entry independently.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from minicap.arrays.backends import Array
from minicap.arrays.dispatch import Override
from minicap.backend.cpu.pieces import by_pieces

States = Sequence[Mapping[str, Array]]  # a rule's arrays of each parameter, by slot


def _update_all(rule: Any, ws: Sequence[Array], dws: Sequence[Array], states: States) -> None:
    """rule.apply for every parameter."""
    for w, dw, state in zip(ws, dws, states, strict=True):
        by_pieces(_apply(rule, tuple(state)), w, dw, *state.values())


def _apply(rule: Any, slots: Sequence[str]) -> Any:
    return lambda w, dw, *state: rule.apply(w, dw, dict(zip(slots, state, strict=True)))


def _supports(rule: Any, ws: Sequence[Array], dws: Sequence[Array], states: States) -> bool:
    return True


OVERRIDES = tuple(
    Override(f"{name}.update", _update_all, _supports)
    for name in ("SGD", "Momentum", "Nesterov", "AdaGrad", "AdaDelta", "RMSProp", "Adam", "AdamW")
)
