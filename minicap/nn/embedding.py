"""The word table as a module."""

from typing import Any

from minicap import layers
from minicap.arrays import Array
from minicap.nn.init import Initializer, normal
from minicap.nn.module import Gradients
from minicap.nn.pair import Pair


class Embedding(Pair):
    """Rows of a table (num_words, size), one per index of ids (N, T)."""

    def __init__(self, num_words: int, size: int, draw: Initializer | None = None) -> None:
        parameters = {"table": ((num_words, size), draw or normal(1 / size**0.5))}
        super().__init__(layers.embedding_forward, layers.embedding_backward, parameters)

    def backward(self, dout: Array, cache: Any, input_gradient: bool = True) -> tuple[None, Gradients]:
        """Word indices have no gradient, so the first output is None."""
        return None, {"table": layers.embedding_backward(dout, cache)}
