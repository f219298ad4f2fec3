"""Every layer and loss in float32 against the NumPy textbook in float64, from the same numbers."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest
from gpu.models import relative_error

from minicap.arrays import Backend, textbook, to_device
from minicap.gradcheck.case import Case
from minicap.gradcheck.library import all_layers, load_cases, subject_of
from minicap.gradcheck.nested import flatten, map_leaves
from minicap.gradcheck.subject import Subject
from minicap.layers import (
    affine_backward,
    affine_forward,
    conv_backward,
    conv_forward,
    gru_backward,
    gru_forward,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
    temporal_softmax_loss,
)

TOLERANCE = 1e-5  # of the largest entry of an output or gradient

BODIES = {"textbook": textbook, "faster pairs": nullcontext}


def in_float64(values: Any) -> Any:
    def convert(leaf: Any) -> Any:
        wide = isinstance(leaf, np.ndarray) and leaf.dtype == np.float32
        return leaf.astype(np.float64) if wide else leaf

    return map_leaves(convert, values)


def moved(values: Any, backend: str) -> Any:
    return map_leaves(lambda leaf: to_device(leaf, backend) if isinstance(leaf, np.ndarray) else leaf, values)


def results(subject: Subject, wide: bool, backend: str) -> list[Any]:
    """Outputs and gradients, flat; the upstream gradients are a fixed draw, rounded to float32 too."""
    inputs = subject.inputs_as(np.float32)
    result = subject.call(moved(in_float64(inputs) if wide else inputs, backend))
    if subject.backward is None:
        return flatten(result)
    *outs, cache = result
    rng = np.random.default_rng(1)
    douts = map_leaves(lambda out: rng.normal(size=out.shape).astype(np.float32), outs)
    gradients = subject.backward(*moved(in_float64(douts) if wide else douts, backend), cache)
    return [*flatten(outs), *subject.aligned(gradients)]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(
    "case", load_cases(large=False), ids=lambda case: f"{case.layer} {case.variant}".strip()
)
def test_a_layer_is_right_and_repeats_its_bits(case: Case, body: str, cupy: Backend):
    subject = subject_of(case, all_layers()[case.layer])
    with textbook():
        expected = results(subject, wide=True, backend="numpy")
    assert_right_and_repeatable(
        BODIES[body], lambda: results(subject, wide=False, backend="cupy"), expected, cupy
    )


def assert_right_and_repeatable(
    body: Callable[[], AbstractContextManager[None]],
    compute: Callable[[], list[Any]],
    expected: list[Any],
    cupy: Backend,
) -> None:
    with body():
        runs = [[cupy.to_host(array) for array in compute()] for _ in range(3)]
    assert len(runs[0]) == len(expected)
    for theirs, *ours in zip(expected, *runs, strict=True):
        assert ours[0].dtype == np.float32
        assert relative_error(ours[0], theirs) < TOLERANCE
        for other in ours[1:]:
            np.testing.assert_array_equal(other, ours[0])


def normal(*shape: int, scale: float = 1.0, seed: int = 0) -> Any:
    numbers = np.random.default_rng([seed, *shape]).normal(size=shape)
    return (scale * numbers).astype(np.float32)


def recurrent(gates: int, N: int, T: int, D: int, H: int) -> list[Any]:
    bias = [normal(gates * H)] * (2 if gates == 3 else 1)
    weights = [normal(D, gates * H, scale=D**-0.5), normal(H, gates * H, scale=H**-0.5)]
    return [normal(N, T, D), normal(N, H), *weights, *bias]


def convolution(N: int, C: int, F: int, size: int) -> list[Any]:
    return [normal(N, C, size, size), normal(F, C, 3, 3, scale=(9 * C) ** -0.5), normal(F)]


def statistics(N: int, C: int, size: int) -> list[Any]:
    one, zero = np.ones(C, np.float32), np.zeros(C, np.float32)
    return [normal(N, C, size, size), normal(C), normal(C), zero, one]


def words(N: int, T: int, V: int) -> list[Any]:
    return [normal(N, T, V), np.random.default_rng(0).integers(V, size=(N, T)), np.ones((N, T), np.float32)]


def dense(N: int, D: int, M: int) -> list[Any]:
    return [normal(N, D), normal(D, M, scale=D**-0.5), normal(M)]


class Large(NamedTuple):
    """A layer of the size of training, and of one that the stand-in can do in a moment."""

    forward: Callable[..., Any]
    backward: Callable[..., Any] | None
    draw: Callable[..., list[Any]]
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    options: dict[str, Any] = {}  # noqa: RUF012


STEPS = (3, 5, 6, 7)
LARGE = {
    "convolution": Large(
        conv_forward, conv_backward, convolution, (64, 32, 64, 16), (2, 3, 5, 7), dict(pad=1)
    ),
    "affine": Large(affine_forward, affine_backward, dense, (256, 4096, 512), (5, 70, 66)),
    "batch norm": Large(
        spatial_batchnorm_forward, spatial_batchnorm_backward, statistics, (64, 32, 28), (4, 3, 9)
    ),
    "LSTM": Large(lstm_forward, lstm_backward, partial(recurrent, 4), (128, 16, 512, 512), STEPS),
    "GRU": Large(gru_forward, gru_backward, partial(recurrent, 3), (128, 16, 256, 512), STEPS),
    "RNN": Large(rnn_forward, rnn_backward, partial(recurrent, 1), (128, 16, 256, 512), STEPS),
    "caption loss": Large(temporal_softmax_loss, None, words, (64, 16, 10_000), (3, 4, 700)),
}


@pytest.mark.parametrize("name", LARGE)
def test_a_layer_of_the_size_of_training_is_right_and_repeats_its_bits(name: str, cupy: Backend):
    layer = LARGE[name]
    arguments = layer.draw(*(layer.small if cupy.xp.__name__ == "strict_cupy" else layer.sizes))

    def compute(backend: str, wide: bool) -> list[Any]:
        given = in_float64(arguments) if wide else arguments
        result = layer.forward(*moved(given, backend), **layer.options)
        if layer.backward is None:
            return list(result)
        out, cache = result
        dout = normal(*out.shape, seed=1)
        return [out, *layer.backward(to_device(dout.astype(np.float64) if wide else dout, backend), cache)]

    with textbook():
        expected = compute("numpy", wide=True)
    assert_right_and_repeatable(nullcontext, lambda: compute("cupy", wide=False), expected, cupy)
