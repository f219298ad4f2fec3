"""ReLU and dropout of arrays large enough not to be left to the textbook; the affine layer behind images."""

from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st

from minicap.arrays.random import RandomStream
from minicap.backend.cpu.affine import FEWEST_PRODUCTS
from minicap.backend.cpu.pointwise import MIN_SIZE


def large(draw: st.DrawFn) -> np.ndarray:
    axes = [draw(st.integers(1, 9)) for _ in range(draw(st.integers(0, 3)))]
    N = -(-MIN_SIZE // prod(axes)) + draw(st.integers(0, 5))
    return np.random.default_rng(draw(st.integers(0, 99))).normal(size=(N, *axes))


@st.composite
def relus(draw: st.DrawFn) -> dict[str, Any]:
    return dict(x=large(draw))


@st.composite
def gelus(draw: st.DrawFn) -> dict[str, Any]:
    return dict(x=draw(st.floats(0.1, 6)) * large(draw))


@st.composite
def dropouts(draw: st.DrawFn) -> dict[str, Any]:
    rng = draw(st.one_of(st.integers(0, 9), st.builds(RandomStream, st.integers(0, 9), st.integers(0, 70))))
    return dict(x=large(draw), rate=draw(st.floats(0.01, 0.99)), train=True, rng=rng)


@st.composite
def affines(draw: st.DrawFn) -> dict[str, Any]:
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    N, M = draw(st.integers(1, 5)), draw(st.integers(1, 7))
    axes = draw(st.integers(1, 3))
    # A sample of one axis is left to the textbook unless there is much to do.
    sample = [600] if axes == 1 else [draw(st.integers(1, 5)) for _ in range(axes)]
    N, M = (N, M) if axes > 1 else draw(st.permutations([N, FEWEST_PRODUCTS // 600 + M]))
    return dict(x=rng.normal(size=(N, *sample)), w=rng.normal(size=(prod(sample), M)), b=rng.normal(size=M))


STRATEGIES = {
    ("relu", "relu_forward"): relus(),
    ("gelu", "gelu_forward"): gelus(),
    ("dropout", "dropout_forward"): dropouts(),
    ("affine", "affine_forward"): affines(),
}
