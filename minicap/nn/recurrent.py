"""Recurrent layers as modules: a whole sequence for training, one step for decoding."""

from typing import Any

from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.layers.gru import gru_backward, gru_forward, gru_step_forward
from minicap.layers.lstm import lstm_backward, lstm_forward, lstm_step_forward
from minicap.layers.rnn import rnn_backward, rnn_forward, rnn_step_forward
from minicap.nn.init import glorot_uniform, orthogonal, stacked, zeros
from minicap.nn.module import Gradients, Module

State = tuple[Array, ...]


class Recurrent(Module):
    """What RNN, LSTM and GRU share: x (N, T, D) to h (N, T, H), from a zero state."""

    names: tuple[str, ...] = ("Wx", "Wh", "b")
    gates = 1

    def __init__(self, in_features: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.declare("Wx", (in_features, self.gates * hidden), stacked(glorot_uniform, self.gates))
        self.declare("Wh", (hidden, self.gates * hidden), stacked(orthogonal, self.gates))
        for name in self.names[2:]:
            self.declare(name, (self.gates * hidden,), zeros)

    def start(self, batch_size: int) -> State:
        """The zero state of a batch, (N, H) each."""
        w = self["Wh"]
        return (backend_of(w=w).xp.zeros((batch_size, self.hidden), dtype=w.dtype),)

    def step(self, x: Array, state: State) -> State:
        """The state after one more input x (N, D); its first entry is the output."""
        raise NotImplementedError(f"{type(self).__name__}.step")

    def _named(self, grads: tuple[Array, ...]) -> tuple[Array, Gradients]:
        dx, _dh0, *rest = grads
        return dx, dict(zip(self.names, rest, strict=True))


class RNN(Recurrent):
    """The vanilla recurrent layer, h = act(x Wx + h Wh + b) with act tanh or relu."""

    def __init__(self, in_features: int, hidden: int, activation: str = "tanh") -> None:
        super().__init__(in_features, hidden)
        self.activation = activation

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        (h0,) = self.start(len(x))
        return rnn_forward(x, h0, self["Wx"], self["Wh"], self["b"], activation=self.activation)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        return self._named(rnn_backward(dout, cache))

    def step(self, x: Array, state: State) -> State:
        (h,) = state
        return rnn_step_forward(x, h, self["Wx"], self["Wh"], self["b"], activation=self.activation)[:1]


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), gate blocks i, f, o, g."""

    gates = 4

    def start(self, batch_size: int) -> State:
        """Zero h and c, (N, H) each."""
        return super().start(batch_size) * 2

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        h0, _ = self.start(len(x))
        return lstm_forward(x, h0, self["Wx"], self["Wh"], self["b"])

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        *grads, _dc0 = lstm_backward(dout, cache)
        return self._named(tuple(grads))

    def step(self, x: Array, state: State) -> State:
        h, c = state
        return lstm_step_forward(x, h, c, self["Wx"], self["Wh"], self["b"])[:2]


class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014), gate blocks r, z, n."""

    gates = 3
    names = ("Wx", "Wh", "b", "bh")

    def __init__(self, in_features: int, hidden: int, reset_after: bool = True) -> None:
        super().__init__(in_features, hidden)
        self.reset_after = reset_after

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        (h0,), weights = self.start(len(x)), (self["Wx"], self["Wh"], self["b"], self["bh"])
        return gru_forward(x, h0, *weights, reset_after=self.reset_after)

    def backward(self, dout: Array, cache: Any) -> tuple[Array, Gradients]:
        return self._named(gru_backward(dout, cache))

    def step(self, x: Array, state: State) -> State:
        (h,), weights = state, (self["Wx"], self["Wh"], self["b"], self["bh"])
        return gru_step_forward(x, h, *weights, reset_after=self.reset_after)[:1]


RECURRENT: dict[str, type[Recurrent]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
