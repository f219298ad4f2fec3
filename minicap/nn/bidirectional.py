"""A recurrent layer in both directions, as a module."""

from typing import Any

from minicap import layers
from minicap.arrays import Array, backend_of
from minicap.arrays.random import RandomStream
from minicap.errors import InputError
from minicap.nn.init import each, glorot_uniform, orthogonal, stacked, zeros
from minicap.nn.module import Gradients, Module
from minicap.nn.recurrent import RECURRENT
from minicap.nn.sharing import Work


class Bidirectional(Module):
    """Reads x (N, T, D) along and against time: out (N, T, 2H), each direction with its own weights.

    cell: "rnn", "lstm" or "gru".  options: the layer's own, such as activation or reset_after.
    forward takes the initial states h0 (2, N, H), zero by default, and a mask (N, T), 0 where the states
    are carried on unchanged.  Raises InputError for another cell.
    """

    def __init__(self, in_features: int, hidden: int, cell: str = "lstm", **options: Any) -> None:
        super().__init__()
        if cell not in RECURRENT:
            raise InputError(f"Bidirectional: cell is {cell!r} but must be one of {', '.join(RECURRENT)}")
        self.hidden = hidden
        self.options: dict[str, Any] = {"layer": cell, **options}
        kind = RECURRENT[cell]
        width = kind.gates * hidden
        self.declare("Wx", (2, in_features, width), each(stacked(glorot_uniform, kind.gates)))
        self.declare("Wh", (2, hidden, width), each(stacked(orthogonal, kind.gates)))
        for name in kind.names[2:]:
            self.declare(name, (2, width), zeros)

    def forward(
        self,
        x: Array,
        train: bool,
        rng: RandomStream | None = None,
        *,
        h0: Array | None = None,
        mask: Array | None = None,
    ) -> tuple[Array, Any]:
        """out (N, T, 2H), and the cache."""
        if h0 is None:
            h0 = backend_of(x=x).xp.zeros((2, len(x), self.hidden), dtype=x.dtype)
        given = {name: self[name] for name in self.declared} | self.options
        found: tuple[Array, Any] = layers.bidirectional_forward(x, h0, **given, mask=mask)
        return found

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[Any, Gradients]:
        dx, _, *own = layers.bidirectional_backward(dout, cache)  # own ends in None for what this cell lacks
        return dx if input_gradient else None, dict(zip(self.declared, own, strict=False))

    def work(self, pixels: int) -> Work:
        """Steps run one after another, each on the whole state."""
        return super().work(pixels)._replace(pays=True, state=2 * self.hidden)
