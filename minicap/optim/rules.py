"""Update rules: how a gradient moves a parameter."""

from collections.abc import Mapping
from typing import Any

from minicap.arrays import Array, backend_of, to_device
from minicap.arrays.dispatch import find_override
from minicap.backend.host import by_pieces
from minicap.errors import InputError, ShapeError
from minicap.formats.settings import options_of

Params = dict[str, Array]


class Rule:
    """Base of the update rules.

    A subclass names its memory arrays in `slots` and writes `update` for one parameter.  Parameters are
    changed in place, so a model's arrays stay the same objects.
    weight_decay: adds weight_decay * w to every gradient (an L2 penalty of weight_decay / 2 * |w|^2).
    """

    slots: tuple[str, ...] = ()

    def __init__(self, learning_rate: float, weight_decay: float = 0.0) -> None:
        self._require(learning_rate > 0, f"learning_rate is {learning_rate} but must be positive")
        self._require(weight_decay >= 0, f"weight_decay is {weight_decay} but must not be negative")
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.step_count = 0
        self.memory: dict[str, dict[str, Array]] = {slot: {} for slot in self.slots}

    def _require(self, condition: bool, message: str) -> None:
        if not condition:
            raise InputError(f"{type(self).__name__}: {message}")

    def _require_share(self, **shares: float) -> None:
        """Each is the share of a mean that stays from step to step: from 0 to below 1."""
        for name, share in shares.items():
            self._require(0 <= share < 1, f"{name} is {share} but must be at least 0 and below 1")

    def step(self, params: Params, grads: Mapping[str, Array]) -> None:
        """Move every parameter that has a gradient.

        Raises InputError for a gradient without a parameter, ShapeError for one of another shape; then
        nothing has moved.
        """
        if unknown := sorted(set(grads) - set(params)):
            raise InputError(f"{type(self).__name__}.step: no parameter is called {unknown[0]!r}")
        for name, dw in grads.items():
            if dw.shape != params[name].shape:
                raise ShapeError(
                    f"{type(self).__name__}.step: the gradient of {name} is {dw.shape} "
                    f"but the parameter {params[name].shape}"
                )
        self.step_count += 1
        memory = [self._memory_of(name, params[name]) for name in grads]
        self.update_all([params[name] for name in grads], list(grads.values()), memory)

    def _memory_of(self, name: str, w: Array) -> dict[str, Array]:
        """The memory arrays of one parameter, zero at first."""
        for arrays in self.memory.values():
            if name not in arrays:
                arrays[name] = backend_of(w=w).xp.zeros_like(w)
        return {slot: arrays[name] for slot, arrays in self.memory.items()}

    def update_all(self, ws: list[Array], dws: list[Array], memory: list[dict[str, Array]]) -> None:
        """`update` for every parameter, or all of them at once where the backend knows this rule."""
        numbers = dict(learning_rate=self.learning_rate, weight_decay=self.weight_decay, **self.numbers())
        name = next((name for name, rule in RULES.items() if rule is type(self)), "")
        arguments = (name, ws, dws, memory)
        at_once = find_override("update_all", ws[0], *arguments, **numbers) if ws else None
        if at_once:
            at_once(*arguments, **numbers)
            return
        for w, dw, slots in zip(ws, dws, memory, strict=True):
            by_pieces(self._update, w, dw, *slots.values())

    def _update(self, w: Array, dw: Array, *memory: Array) -> None:
        decayed = dw + self.weight_decay * w if self.weight_decay else dw
        self.update(w, decayed, dict(zip(self.slots, memory, strict=True)))

    def numbers(self) -> dict[str, float]:
        """What the rule depends on besides learning rate and weight decay."""
        return {}

    def update(self, w: Array, dw: Array, memory: dict[str, Array]) -> None:
        """Change w, and the memory arrays shaped like it, in place and entry by entry.

        Large arrays come in pieces, to stay in cache.
        """
        raise NotImplementedError(f"{type(self).__name__}.update")

    def arrays(self) -> dict[str, Array]:
        """The memory as flat arrays for a checkpoint: "v/conv1.w"."""
        return {f"{slot}/{name}": a for slot, arrays in self.memory.items() for name, a in arrays.items()}

    def load(self, arrays: Mapping[str, Array], step_count: int) -> None:
        """Take up the memory of a checkpoint; the arrays are copied.

        Raises InputError for a slot this rule does not have; then nothing has changed.
        """
        memory: dict[str, dict[str, Array]] = {slot: {} for slot in self.slots}
        for key, array in arrays.items():
            slot, _, name = key.partition("/")
            if slot not in memory:
                raise InputError(f"{type(self).__name__} has no memory {slot!r}; was it another rule's?")
            memory[slot][name] = to_device(array).copy()
        self.memory, self.step_count = memory, step_count


class SGD(Rule):
    """Gradient descent:  w -= lr dw."""

    def update(self, w: Array, dw: Array, memory: dict[str, Array]) -> None:
        w -= self.learning_rate * dw


class Momentum(Rule):
    """Heavy ball (Polyak 1964):  v = mu v - lr dw,  w += v."""

    slots = ("v",)

    def __init__(self, learning_rate: float, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(learning_rate, weight_decay)
        self._require_share(momentum=momentum)
        self.momentum = momentum

    def numbers(self) -> dict[str, float]:
        return dict(momentum=self.momentum)

    def update(self, w: Array, dw: Array, memory: dict[str, Array]) -> None:
        v = memory["v"]
        v *= self.momentum
        v -= self.learning_rate * dw
        w += v


class Nesterov(Momentum):
    """Nesterov's momentum in the form of Sutskever et al. 2013:  w += mu v - lr dw  with the new v."""

    def update(self, w: Array, dw: Array, memory: dict[str, Array]) -> None:
        v = memory["v"]
        v *= self.momentum
        v -= self.learning_rate * dw
        w += self.momentum * v - self.learning_rate * dw


class RMSProp(Rule):
    """Tieleman & Hinton 2012:  s = rho s + (1 - rho) dw^2,  w -= lr dw / (sqrt(s) + eps)."""

    slots = ("s",)

    def __init__(
        self, learning_rate: float, decay: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0
    ) -> None:
        super().__init__(learning_rate, weight_decay)
        self._require_share(decay=decay)
        self._require(eps >= 0, f"eps is {eps} but must not be negative")
        self.decay, self.eps = decay, eps

    def numbers(self) -> dict[str, float]:
        return dict(decay=self.decay, new_share=1 - self.decay, eps=self.eps)

    def update(self, w: Array, dw: Array, memory: dict[str, Array]) -> None:
        s = memory["s"]
        s *= self.decay
        s += (1 - self.decay) * dw**2
        w -= self.learning_rate * dw / (backend_of(s=s).xp.sqrt(s) + self.eps)


class Adam(Rule):
    """Kingma & Ba 2015, algorithm 1:  m, v are means of dw, dw^2, corrected for their start at zero."""

    slots = ("m", "v")

    def __init__(
        self,
        learning_rate: float = 1e-3,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, weight_decay)
        self._require_share(beta1=beta1, beta2=beta2)
        self._require(eps >= 0, f"eps is {eps} but must not be negative")
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    def numbers(self) -> dict[str, float]:
        correction1, correction2 = 1 - self.beta1**self.step_count, 1 - self.beta2**self.step_count
        shares = dict(new_share1=1 - self.beta1, new_share2=1 - self.beta2)
        return shares | dict(correction1=correction1, correction2=correction2, eps=self.eps)

    def update(self, w: Array, dw: Array, memory: dict[str, Array]) -> None:
        m, v = memory["m"], memory["v"]
        m += (1 - self.beta1) * (dw - m)
        v += (1 - self.beta2) * (dw**2 - v)
        m_hat = m / (1 - self.beta1**self.step_count)
        v_hat = v / (1 - self.beta2**self.step_count)
        w -= self.learning_rate * m_hat / (backend_of(v=v).xp.sqrt(v_hat) + self.eps)


RULES: dict[str, type[Rule]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "rmsprop": RMSProp,
    "adam": Adam,
}


def make_rule(name: str, learning_rate: float, **options: Any) -> Rule:
    """An update rule by its name.  Raises InputError for an unknown name or option."""
    if name not in RULES:
        raise InputError(f"unknown optimizer {name!r}; choose one of {', '.join(RULES)}")
    return RULES[name](learning_rate, **options_of(RULES[name], options, f"optimizer {name}"))
