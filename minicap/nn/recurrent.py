"""Recurrent layers as modules: a whole sequence for training, one step for decoding."""

from collections.abc import Callable
from typing import Any, ClassVar

from minicap import layers
from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.nn.init import glorot_uniform, orthogonal, stacked, zeros
from minicap.nn.module import Gradients, Module
from minicap.nn.sharing import Work

State = tuple[Array, ...]


class Recurrent(Module):
    """What RNN, LSTM and GRU share: x (N, T, D) to h (N, T, H).

    forward takes the initial state, h0 (and c0) of (N, H), zero by default, and a mask (N, T), 0 where the
    state is carried on unchanged.  backward gives the gradients of x and of the parameters,
    `backward_to_start` those of the initial state as well.
    """

    layer: ClassVar[tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]]  # and its step
    names: tuple[str, ...] = ("Wx", "Wh", "b")
    states: tuple[str, ...] = ("h0",)
    gates = 1

    def __init__(self, in_features: int, hidden: int, **options: Any) -> None:
        super().__init__()
        self.hidden, self.options = hidden, options
        self.declare("Wx", (in_features, self.gates * hidden), stacked(glorot_uniform, self.gates))
        self.declare("Wh", (hidden, self.gates * hidden), stacked(orthogonal, self.gates))
        for name in self.names[2:]:
            self.declare(name, (self.gates * hidden,), zeros)

    def start(self, batch_size: int) -> State:
        """The zero state of a batch, (N, H) each."""
        w = self["Wh"]
        return tuple(backend_of(w=w).xp.zeros((batch_size, self.hidden), dtype=w.dtype) for _ in self.states)

    def forward(
        self,
        x: Array,
        train: bool,
        rng: RandomStream | None = None,
        *,
        h0: Array | None = None,
        mask: Array | None = None,
    ) -> tuple[Array, Any]:
        """h (N, T, H) after every step, and the cache."""
        return self._run(x, h0, mask)

    def _run(self, x: Array, h0: Array | None, mask: Array | None, **more: Any) -> tuple[Array, Any]:
        if h0 is None:
            h0 = backend_of(x=x).xp.zeros((len(x), self.hidden), dtype=x.dtype)
        weights = (self[name] for name in self.names)
        return self.layer[0](x, h0, *weights, mask=mask, **self.options, **more)

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        dx, grads, _ = self.backward_to_start(dout, cache)
        return dx if input_gradient else None, grads

    def backward_to_start(self, dout: Array, cache: Any) -> tuple[Array, Gradients, State]:
        """Gradients of x, of the parameters, and of the initial state: (dh0,) or (dh0, dc0)."""
        dx, dh0, *rest = self.layer[1](dout, cache)
        own, more = rest[: len(self.names)], rest[len(self.names) :]
        return dx, dict(zip(self.names, own, strict=True)), (dh0, *more)

    def last_state(self, h: Array, cache: Any) -> State:
        """The state after the last step, to go on from: what forward gave as outputs, and its cache."""
        return (h[:, -1],)

    def step(self, x: Array, state: State) -> State:
        """The state after one more input x (N, D); its first entry is the output."""
        weights = (self[name] for name in self.names)
        return self.layer[2](x, *state, *weights, **self.options)[: len(state)]

    def work(self, pixels: int) -> Work:
        """Steps run one after another, each on the whole state."""
        return super().work(pixels)._replace(pays=True, state=self.hidden)


class RNN(Recurrent):
    """The vanilla recurrent layer, h = act(x Wx + h Wh + b) with act tanh or relu."""

    layer = layers.rnn_forward, layers.rnn_backward, layers.rnn_step_forward

    def __init__(self, in_features: int, hidden: int, activation: str = "tanh") -> None:
        super().__init__(in_features, hidden, activation=activation)


class LSTM(Recurrent):
    """Long short-term memory (Hochreiter & Schmidhuber 1997), gate blocks i, f, o, g."""

    layer = layers.lstm_forward, layers.lstm_backward, layers.lstm_step_forward
    states = ("h0", "c0")
    gates = 4

    def forward(
        self,
        x: Array,
        train: bool,
        rng: RandomStream | None = None,
        *,
        h0: Array | None = None,
        c0: Array | None = None,
        mask: Array | None = None,
    ) -> tuple[Array, Any]:
        """h (N, T, H) after every step, and the cache."""
        return self._run(x, h0, mask, c0=c0)

    def last_state(self, h: Array, cache: Any) -> State:
        return h[:, -1], cache.last_c


class GRU(Recurrent):
    """Gated recurrent unit (Cho et al. 2014), gate blocks r, z, n."""

    layer = layers.gru_forward, layers.gru_backward, layers.gru_step_forward
    gates = 3
    names = ("Wx", "Wh", "b", "bh")

    def __init__(self, in_features: int, hidden: int, reset_after: bool = True) -> None:
        super().__init__(in_features, hidden, reset_after=reset_after)


RECURRENT: dict[str, type[Recurrent]] = {"rnn": RNN, "lstm": LSTM, "gru": GRU}
