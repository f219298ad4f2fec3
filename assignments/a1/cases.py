"""Inputs of the exercises that the gradient checker has no case for, or too few."""

import numpy as np

from minicap.gradcheck.case import Case


def steps(count):
    def make(rng):
        ws = {"fc.w": rng.normal(size=(3, 2)), "fc.b": rng.normal(size=2)}
        gradients = [{name: rng.normal(size=w.shape) for name, w in ws.items()} for _ in range(count)]
        return dict(ws=ws, gradients=gradients, rate=0.05 + 0.1 * rng.random())

    return make


def weights(*shape):
    return lambda rng: dict(seed=int(rng.integers(1 << 30)), shape=list(shape))


def scores(scale):
    return lambda rng: dict(x=scale * rng.normal(size=(4, 5)), y=rng.integers(0, 5, size=4))


def one_class(rng):
    x = rng.normal(size=(3, 4))
    x[:, 1] += 60
    return dict(x=x, y=np.array([1, 1, 3]))


def many(rng):
    return dict(x=rng.normal(size=(4000, 300)), y=rng.integers(0, 300, size=4000))


RULES = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam")
SHAPES = {"matrix": (40, 30), "filters": (8, 3, 5, 5)}

CASES = [
    *(Case(f"{rule} steps", name, steps(n)) for rule in RULES for name, n in (("one", 1), ("four", 4))),
    *(
        Case(f"{name} weights", shape, weights(*SHAPES[shape]))
        for name in ("he", "glorot")
        for shape in SHAPES
    ),
    Case("softmax", "scores of a thousand", lambda rng: dict(x=2000 + 1000 * rng.normal(size=(3, 4)))),
    # The numeric gradient of scores this large is all rounding.
    Case("softmax_loss", "scores of a thousand", scores(1000), directions=1),
    Case("softmax_loss", "one class by far", one_class, directions=1),
    Case("softmax_loss", "many samples", many, directions=1),
]
