"""Update rules: how a gradient moves a parameter."""

from typing import Any

from minicap.arrays import Array, backend_of
from minicap.errors import InputError
from minicap.formats.settings import options_of
from minicap.optim.rule import Rule


class SGD(Rule):
    """Gradient descent:  w -= lr dw."""

    def update(self, w: Array, dw: Array, state: dict[str, Array]) -> None:
        w -= self.learning_rate * dw


class Momentum(Rule):
    """Heavy ball (Polyak 1964):  v = mu v - lr dw,  w += v."""

    slots = ("v",)

    def __init__(
        self, learning_rate: float, momentum: float = 0.9, weight_decay: float = 0.0, l1: float = 0.0
    ) -> None:
        super().__init__(learning_rate, weight_decay, l1)
        self._require_share(momentum=momentum)
        self.momentum = momentum

    def update(self, w: Array, dw: Array, state: dict[str, Array]) -> None:
        v = state["v"]
        v *= self.momentum
        v -= self.learning_rate * dw
        w += v


class Nesterov(Momentum):
    """Nesterov's momentum in the form of Sutskever et al. 2013:  w += mu v - lr dw  with the new v."""

    def update(self, w: Array, dw: Array, state: dict[str, Array]) -> None:
        v = state["v"]
        v *= self.momentum
        v -= self.learning_rate * dw
        w += self.momentum * v - self.learning_rate * dw


class AdaGrad(Rule):
    """Duchi et al. 2011:  s = s + dw^2,  w -= lr dw / (sqrt(s) + eps)."""

    slots = ("s",)

    def __init__(
        self, learning_rate: float = 0.01, eps: float = 1e-10, weight_decay: float = 0.0, l1: float = 0.0
    ) -> None:
        super().__init__(learning_rate, weight_decay, l1)
        self._require_at_least_0(eps=eps)
        self.eps = eps

    def update(self, w: Array, dw: Array, state: dict[str, Array]) -> None:
        s = state["s"]
        s += dw**2
        w -= self.learning_rate * dw / (backend_of(s=s).xp.sqrt(s) + self.eps)


class AdaDelta(Rule):
    """Zeiler 2012, algorithm 1:  s and u are means of dw^2 and delta^2, w -= lr delta.

    delta has the units of w, whatever the units of the loss, so the paper's learning rate is 1.
    """

    slots = ("s", "u")

    def __init__(
        self,
        learning_rate: float = 1.0,
        decay: float = 0.95,
        eps: float = 1e-6,
        weight_decay: float = 0.0,
        l1: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, weight_decay, l1)
        self._require_share(decay=decay)
        self._require_at_least_0(eps=eps)
        self._require(eps > 0, f"eps is {eps} but must be positive: the first step has nothing else")
        self.decay, self.eps = decay, eps

    def update(self, w: Array, dw: Array, state: dict[str, Array]) -> None:
        s, u, xp = state["s"], state["u"], backend_of(w=w).xp
        s *= self.decay
        s += (1 - self.decay) * dw**2
        delta = xp.sqrt(u + self.eps) / xp.sqrt(s + self.eps) * dw
        u *= self.decay
        u += (1 - self.decay) * delta**2
        w -= self.learning_rate * delta


class RMSProp(Rule):
    """Tieleman & Hinton 2012:  s = rho s + (1 - rho) dw^2,  w -= lr dw / (sqrt(s) + eps)."""

    slots = ("s",)

    def __init__(
        self,
        learning_rate: float,
        decay: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        l1: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, weight_decay, l1)
        self._require_share(decay=decay)
        self._require_at_least_0(eps=eps)
        self.decay, self.eps = decay, eps

    def update(self, w: Array, dw: Array, state: dict[str, Array]) -> None:
        s = state["s"]
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
        l1: float = 0.0,
    ) -> None:
        super().__init__(learning_rate, weight_decay, l1)
        self._require_share(beta1=beta1, beta2=beta2)
        self._require_at_least_0(eps=eps)
        self.beta1, self.beta2, self.eps = beta1, beta2, eps

    def update(self, w: Array, dw: Array, state: dict[str, Array]) -> None:
        m, v = state["m"], state["v"]
        m += (1 - self.beta1) * (dw - m)
        v += (1 - self.beta2) * (dw**2 - v)
        m_hat = m / (1 - self.beta1**self.step_count)
        v_hat = v / (1 - self.beta2**self.step_count)
        w -= self.learning_rate * m_hat / (backend_of(v=v).xp.sqrt(v_hat) + self.eps)


class AdamW(Adam):
    """Loshchilov & Hutter 2019, algorithm 2: Adam whose weight decay stays out of the means.

    w shrinks by lr weight_decay w at every step, however large its gradients are; the paper has no lr there.
    """

    def apply(self, w: Array, dw: Array, state: dict[str, Array]) -> None:
        self.update(w, dw, state)

    def update(self, w: Array, dw: Array, state: dict[str, Array]) -> None:
        m, v = state["m"], state["v"]
        m += (1 - self.beta1) * (dw - m)
        v += (1 - self.beta2) * (dw**2 - v)
        m_hat = m / (1 - self.beta1**self.step_count)
        v_hat = v / (1 - self.beta2**self.step_count)
        step = m_hat / (backend_of(v=v).xp.sqrt(v_hat) + self.eps)
        w -= self.learning_rate * (step + self.weight_decay * w)


RULES: dict[str, type[Rule]] = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": AdaGrad,
    "adadelta": AdaDelta,
    "rmsprop": RMSProp,
    "adam": Adam,
    "adamw": AdamW,
}


def make_rule(name: str, learning_rate: float, **options: Any) -> Rule:
    """An update rule by its name.  Raises InputError for an unknown name or option."""
    if name not in RULES:
        raise InputError(f"unknown optimizer {name!r}; choose one of {', '.join(RULES)}")
    return RULES[name](learning_rate, **options_of(RULES[name], options, f"optimizer {name}"))
