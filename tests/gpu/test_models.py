"""Whole training steps in float32 against the NumPy textbook in float64, from the same numbers."""

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gpu.models import MODELS, relative_error

from minicap.arrays import Backend, register_backend, textbook, to_device, to_host, use_backend
from minicap.arrays.random import RandomStream
from minicap.backend.gpu import affine, overrides, small_conv
from minicap.optim import make_rule
from minicap.training.shards import Batch

TOLERANCE = 1e-5  # of the largest entry of a gradient
STEPS = 8
LEARNING_RATES = {"nesterov": 0.1, "adam": 0.02}


def model_and_batch(name: str, dtype: Any) -> tuple[Any, Batch]:
    """On the current backend, in that dtype, but of numbers that float32 can hold."""
    build, draw = MODELS[name]
    model = build().initialize(seed=0, dtype=np.float32)
    model.load({path: to_host(array).astype(dtype) for path, array in (model.params | model.state).items()})
    batch = {
        key: array.astype(np.float32).astype(dtype) if array.dtype.kind == "f" else array
        for key, array in draw(np.random.default_rng(3)).items()
    }
    return model, {key: to_device(array) for key, array in batch.items()}


def step(name: str, dtype: Any) -> dict[str, Any]:
    """The loss and the gradients of a training step, on the host."""
    model, batch = model_and_batch(name, dtype)
    loss, grads = model.loss(batch, rng=RandomStream(3), count=model.count(batch))
    return {"loss": to_host(loss)} | {path: to_host(grad) for path, grad in grads.items()}


def training(
    name: str, optimizer: str, dtype: Any = np.float32, steps: int = STEPS
) -> tuple[list[float], dict[str, Any]]:
    """The losses of some steps on one batch, and the parameters after them."""
    model, batch = model_and_batch(name, dtype)
    rule, losses = make_rule(optimizer, LEARNING_RATES[optimizer]), []
    for number in range(steps):
        loss, grads = model.loss(batch, rng=RandomStream(number), count=model.count(batch))
        rule.step(model.params, grads)
        losses.append(float(to_host(loss)))
    return losses, {path: to_host(array) for path, array in model.params.items()}


@pytest.mark.parametrize("products", ["in kernels", "by cuBLAS"])
@pytest.mark.parametrize("name", MODELS)
def test_a_training_step_has_the_loss_and_gradients_of_numpy(
    name: str, products: str, cupy: Backend, monkeypatch
):
    if products == "by cuBLAS":  # as in a large batch
        small = {*small_conv.OVERRIDES, *affine.OVERRIDES}
        others = tuple(override for override in overrides.OVERRIDES if override not in small)
        monkeypatch.setitem(sys.modules, "large_products", SimpleNamespace(OVERRIDES=others))
        register_backend(replace(cupy, overrides="large_products"))
    with use_backend("numpy"), textbook():
        expected = step(name, np.float64)
    with use_backend("cupy"):
        got = step(name, np.float32)
    assert got.keys() == expected.keys()
    errors = {path: relative_error(got[path], theirs) for path, theirs in expected.items()}
    assert max(errors.values()) < TOLERANCE, errors
    assert all(array.dtype == np.float32 for array in got.values())


@pytest.mark.parametrize("name", MODELS)
def test_the_textbook_bodies_give_the_same_step_on_the_device(name: str, cupy: Backend):
    with textbook():
        got = step(name, np.float32)
        with use_backend("numpy"):
            expected = step(name, np.float64)
    assert max(relative_error(got[path], theirs) for path, theirs in expected.items()) < TOLERANCE


@pytest.mark.parametrize("optimizer", LEARNING_RATES)
@pytest.mark.parametrize("name", MODELS)
def test_the_loss_falls_as_it_falls_on_numpy(name: str, optimizer: str, cupy: Backend):
    with use_backend("numpy"), textbook():
        expected, _ = training(name, optimizer, np.float64)
    losses, _ = training(name, optimizer)
    np.testing.assert_allclose(losses, expected, rtol=1e-4)
    assert np.mean(losses[-3:]) < losses[0]


@pytest.mark.parametrize("name", MODELS)
def test_three_runs_have_the_same_bits(name: str, cupy: Backend):
    losses, params = training(name, "adam", steps=3)
    for _ in range(2):
        again, same = training(name, "adam", steps=3)
        assert again == losses
        for path, array in params.items():
            np.testing.assert_array_equal(same[path], array, err_msg=path)
