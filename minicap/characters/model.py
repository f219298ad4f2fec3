"""A recurrent network that predicts the next character (Karpathy 2015; Graves 2013, section 2)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from minicap.arrays import Array, to_host
from minicap.arrays.random import RandomStream
from minicap.errors import InputError
from minicap.formats import require_types
from minicap.layers import log_softmax_forward, temporal_affine_softmax_loss
from minicap.nn import RECURRENT, Dropout, Embedding, Gradients, Module, Recurrent, prefixed
from minicap.nn.init import glorot_uniform, normal, zeros

State = tuple[Array, ...]
Batch = dict[str, Array]


@dataclass(frozen=True)
class CharacterModelConfig:
    """Settings of the network.

    cell: lstm, gru or rnn.  layers: recurrent layers, one on top of the other.
    embed_size: size of the embedded characters.  hidden_size: size of each recurrent state.
    dropout: rate on the output of every recurrent layer.
    """

    cell: str = "lstm"
    layers: int = 2
    embed_size: int = 64
    hidden_size: int = 256
    dropout: float = 0.2

    def __post_init__(self) -> None:
        require_types(self)
        if self.cell not in RECURRENT:
            raise InputError(f"cell is {self.cell!r} but must be one of {', '.join(RECURRENT)}")
        for name in ("layers", "embed_size", "hidden_size"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)} but must be at least 1")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout is {self.dropout} but must be at least 0 and below 1")


class CharacterModel(Module):
    """x_t = table[character_t],   h_t = dropout(cell(... dropout(cell(x_t)))),   scores_t = h_t W + b.

    In training the state goes on from chunk to chunk, and the gradient stops there (truncated backpropagation
    through time).  The states of the streams are a buffer, so that checkpoints hold them.

    streams: how many pieces of the text are read side by side in training.  See TextStreams for the batches.
    """

    def __init__(self, config: CharacterModelConfig, characters: int, streams: int = 1) -> None:
        super().__init__()
        size, hidden = config.embed_size, config.hidden_size
        self.config = config
        self.characters = Embedding(characters, size, normal(0.1))
        inputs = [size] + [hidden] * (config.layers - 1)
        self.cells: list[Recurrent] = [RECURRENT[config.cell](n, hidden) for n in inputs]
        self.dropouts = [Dropout(config.dropout) for _ in inputs]
        self.declare("out_w", (hidden, characters), glorot_uniform)
        self.declare("out_b", (characters,), zeros)
        self.buffers = {name: np.zeros((streams, hidden)) for name in self._carried()}

    def _carried(self) -> list[str]:
        return [f"carried_{n}_{name}" for n, cell in enumerate(self.cells) for name in cell.states]

    def start(self, rows: int = 1) -> State:
        """The state before any character: arrays with `rows` rows, those of the first cell first."""
        return tuple(array for cell in self.cells for array in cell.start(rows))

    def hidden(
        self, x: Array, state: State, train: bool, rng: RandomStream | None = None
    ) -> tuple[Array, State, Any]:
        """h (N, T, H) after every character of x (N, T), the state after the last one, and the cache."""
        h, words_cache = self.characters.forward(x, train)
        last: list[Array] = []
        caches = []
        for cell, dropout in zip(self.cells, self.dropouts, strict=True):
            own: dict[str, Any] = dict(zip(cell.states, state[len(last) :], strict=False))
            h, cell_cache = cell.forward(h, train, **own)
            last += cell.last_state(h, cell_cache)
            h, dropout_cache = dropout.forward(h, train, rng)
            caches.append((cell_cache, dropout_cache))
        return h, tuple(last), (words_cache, caches)

    def hidden_backward(self, dh: Array, cache: Any) -> Gradients:
        """Gradients of all parameters on the way; the state at the start is a constant."""
        words_cache, caches = cache
        grads: Gradients = {}
        for n in reversed(range(len(caches))):
            cell_cache, dropout_cache = caches[n]
            dh, _ = self.dropouts[n].backward(dh, dropout_cache)
            dh, of_cell = self.cells[n].backward(dh, cell_cache)
            grads |= prefixed(f"cells.{n}", of_cell)
        return grads | prefixed("characters", self.characters.backward(dh, words_cache)[1])

    def count(self, batch: Batch) -> int:
        """The number of characters that the loss is a mean over."""
        return int(batch["x"].size)

    def loss(
        self, batch: Batch, train: bool = True, rng: RandomStream | None = None, count: int | None = None
    ) -> tuple[Array, Gradients]:
        """Cross-entropy per character (nats), and in training the gradients of all parameters.

        count: divide by this instead of the batch's own count, so that shards add up.
        """
        rows, scale = batch["rows"], 1 / (count or self.count(batch))
        carry = batch["carry"].astype(self["out_b"].dtype)[:, None]
        state = tuple(self.buffers[name][rows] * carry for name in self._carried())
        h, last, cache = self.hidden(batch["x"], state, train, rng)
        loss, dh, dout_w, dout_b = temporal_affine_softmax_loss(
            h, self["out_w"], self["out_b"], batch["y"], reduction="sum", gradients=train
        )
        if not train:
            return scale * loss, {}
        for name, array in zip(self._carried(), last, strict=True):
            self.buffers[name][rows] = array
        grads = self.hidden_backward(dh, cache) | {"out_w": dout_w, "out_b": dout_b}
        return scale * loss, {name: scale * gradient for name, gradient in grads.items()}

    def step(self, state: State, characters: Array) -> tuple[Array, State, dict[str, Array]]:
        """Log probabilities (N, V) of the next character, and the state after characters (N,)."""
        x: Array = self.characters(characters)
        new: list[Array] = []
        for cell in self.cells:
            own = cell.step(x, state[len(new) : len(new) + len(cell.states)])
            new += own
            x = own[0]
        return log_softmax_forward(x @ self["out_w"] + self["out_b"])[0], tuple(new), {}

    def nats(self, batch: Batch, state: State) -> tuple[float, State]:
        """The summed cross-entropy of a chunk, in evaluation mode, and the state after it."""
        h, state, _ = self.hidden(batch["x"], state, train=False)
        found = temporal_affine_softmax_loss(
            h, self["out_w"], self["out_b"], batch["y"], reduction="sum", gradients=False
        )
        return float(to_host(found[0])), state
