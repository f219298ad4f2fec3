"""Dropout as modules."""

from minicap import layers
from minicap.nn.pair import Pair


class Dropout(Pair):
    """Drops entries with probability rate in training; the identity in evaluation."""

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__(layers.dropout_forward, layers.dropout_backward, rate=rate)


class SpatialDropout(Pair):
    """Drops whole channels of x (N, C, H, W) with probability rate in training."""

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__(layers.spatial_dropout_forward, layers.spatial_dropout_backward, rate=rate)


class RecurrentDropout(Pair):
    """Drops features of x (N, T, D) with probability rate in training, the same at every step."""

    def __init__(self, rate: float = 0.5) -> None:
        super().__init__(layers.recurrent_dropout_forward, layers.recurrent_dropout_backward, rate=rate)
