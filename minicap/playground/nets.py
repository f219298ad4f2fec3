"""A network with one hidden layer, trained before the reader's eyes on points in the plane."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import to_host
from minicap.errors import InputError
from minicap.layers import softmax_forward
from minicap.nn import Affine, ReLU, Sequential, Supervised, Tanh
from minicap.optim import SGD, Adam, Momentum

Points = tuple[NDArray[np.float32], NDArray[np.int64]]

REACH = 1.25  # the picture shows -REACH..REACH in both directions
_POINTS = 200  # of both classes together
_BATCH = 50


def moons(rng: np.random.Generator, count: int, noise: float) -> Points:
    """Two half circles that reach into each other: x (N, 2), y (N,) in 0..1."""
    y = np.arange(count) % 2
    angle = rng.uniform(0, np.pi, count)
    x = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x[y == 1] = [1, 0.5] - x[y == 1]
    return _noisy(rng, (x - [0.5, 0.25]) / 1.5, y, noise)


def spirals(rng: np.random.Generator, count: int, noise: float) -> Points:
    """Two spirals of one and a quarter turns around each other."""
    y = np.arange(count) % 2
    radius = np.sqrt(rng.uniform(0.01, 1, count))
    angle = 2.5 * np.pi * radius + np.pi * y
    return _noisy(rng, radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1), y, noise)


def rings(rng: np.random.Generator, count: int, noise: float) -> Points:
    """A disc inside a ring."""
    y = np.arange(count) % 2
    radius = np.where(y == 1, rng.uniform(0.7, 1, count), rng.uniform(0, 0.4, count))
    angle = rng.uniform(0, 2 * np.pi, count)
    return _noisy(rng, radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1), y, noise)


def _noisy(rng: np.random.Generator, x: NDArray[Any], y: NDArray[np.int64], noise: float) -> Points:
    return (x + noise * rng.normal(size=x.shape)).astype(np.float32), y


POINTS: dict[str, Callable[[np.random.Generator, int, float], Points]] = {
    "moons": moons,
    "spirals": spirals,
    "rings": rings,
}
RULES: dict[str, Callable[[float], Any]] = {"Adam": Adam, "momentum": Momentum, "SGD": SGD}
SLOPES: dict[str, Callable[[], Any]] = {"ReLU": ReLU, "tanh": Tanh}


class LiveNet:
    """Two affine layers and a nonlinearity, in training.

    points, rule, slope: names in POINTS, RULES and SLOPES.  noise: standard deviation of the points.
    Raises InputError for an unknown name or a number out of range.
    """

    def __init__(
        self,
        points: str = "spirals",
        hidden: int = 32,
        learning_rate: float = 0.01,
        noise: float = 0.05,
        rule: str = "Adam",
        slope: str = "ReLU",
        seed: int = 0,
    ) -> None:
        for value, known in ((points, POINTS), (rule, RULES), (slope, SLOPES)):
            if value not in known:
                raise InputError(f"LiveNet: {value!r} is none of {', '.join(known)}")
        for name, number, most in (("hidden", hidden, 256), ("noise", noise, 1)):
            if not 0 <= number <= most:
                raise InputError(f"LiveNet: {name} is {number} but must be in 0..{most}")
        self.rng = np.random.default_rng([seed, 1])
        self.x, self.y = POINTS[points](self.rng, _POINTS, noise)
        net = Sequential(Affine(2, hidden), SLOPES[slope](), Affine(hidden, 2))
        self.model = Supervised(net).initialize(seed)
        self.rule, self.step = RULES[rule](learning_rate), 0

    def run(self, steps: int) -> list[float]:
        """Train for some steps; returns the loss of each."""
        losses = []
        for _ in range(steps):
            drawn = self.rng.choice(len(self.x), _BATCH, replace=False)
            loss, grads = self.model.loss({"x": self.x[drawn], "y": self.y[drawn]})
            self.rule.step(self.model.params, grads)
            losses.append(float(loss))
        self.step += steps
        return losses

    def accuracy(self) -> float:
        """The share of all points on the right side."""
        return float((self.model.predict(self.x) == self.y).mean())

    def picture(self, side: int) -> list[list[float]]:
        """The probability of class 1 on a grid of side x side places, row by row from above."""
        places = REACH * (2 * (np.arange(side, dtype=np.float32) + 0.5) / side - 1)
        x, y = np.meshgrid(places, -places)
        scores = self.model(np.stack([x.ravel(), y.ravel()], axis=1))
        probabilities, _ = softmax_forward(scores)
        return np.asarray(to_host(probabilities)[:, 1].reshape(side, side), float).round(3).tolist()
