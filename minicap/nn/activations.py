"""Nonlinearities as modules."""

from minicap import layers
from minicap.nn.pair import Pair


class ReLU(Pair):
    """max(0, x)."""

    def __init__(self) -> None:
        super().__init__(layers.relu_forward, layers.relu_backward)


class LeakyReLU(Pair):
    """x where it is positive, slope x elsewhere."""

    def __init__(self, slope: float = 0.01) -> None:
        super().__init__(layers.leaky_relu_forward, layers.leaky_relu_backward, slope=slope)


class ReLU6(Pair):
    """min(max(0, x), 6)."""

    def __init__(self) -> None:
        super().__init__(layers.relu6_forward, layers.relu6_backward)


class ELU(Pair):
    """x where it is positive, alpha (exp(x) - 1) elsewhere."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__(layers.elu_forward, layers.elu_backward, alpha=alpha)


class GELU(Pair):
    """x times the probability that a standard normal number is less than x."""

    def __init__(self) -> None:
        super().__init__(layers.gelu_forward, layers.gelu_backward)


class SiLU(Pair):
    """x sigmoid(x), also called swish."""

    def __init__(self) -> None:
        super().__init__(layers.silu_forward, layers.silu_backward)


class GLU(Pair):
    """One half of the last axis, gated by the sigmoid of the other: (..., 2F) to (..., F)."""

    def __init__(self) -> None:
        super().__init__(layers.glu_forward, layers.glu_backward)


class Sigmoid(Pair):
    """1 / (1 + exp(-x))."""

    def __init__(self) -> None:
        super().__init__(layers.sigmoid_forward, layers.sigmoid_backward)


class Tanh(Pair):
    """The hyperbolic tangent."""

    def __init__(self) -> None:
        super().__init__(layers.tanh_forward, layers.tanh_backward)


class Softmax(Pair):
    """Probabilities over the last axis.  A classifier needs none: its loss takes the scores."""

    def __init__(self) -> None:
        super().__init__(layers.softmax_forward, layers.softmax_backward)


class LogSoftmax(Pair):
    """The logarithms of the probabilities over the last axis."""

    def __init__(self) -> None:
        super().__init__(layers.log_softmax_forward, layers.log_softmax_backward)
