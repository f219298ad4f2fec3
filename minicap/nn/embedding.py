"""The word table as a module."""

from typing import Any

from minicap.arrays import Array
from minicap.arrays.random import RandomStream
from minicap.layers.embedding import embedding_backward, embedding_forward
from minicap.nn.init import Initializer, normal
from minicap.nn.module import Gradients, Module


class Embedding(Module):
    """Rows of a table (num_words, size), one for each index of ids (N, T)."""

    def __init__(self, num_words: int, size: int, draw: Initializer | None = None) -> None:
        super().__init__()
        self.declare("table", (num_words, size), draw or normal(1 / size**0.5))

    def forward(self, x: Array, train: bool = False, rng: RandomStream | None = None) -> tuple[Array, Any]:
        return embedding_forward(x, self["table"])

    def backward(self, dout: Array, cache: Any) -> tuple[None, Gradients]:
        """Word indices have no gradient, so the first output is None."""
        return None, {"table": embedding_backward(dout, cache)}
