import tracemalloc

import numpy as np
import pytest

from minicap.arrays.random import RandomStream
from minicap.captioning import ShowAndTell, ShowAndTellConfig
from minicap.nn import (
    Affine,
    BatchNorm2d,
    Conv2d,
    Dropout,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    Supervised,
    memory,
)
from minicap.nn.memory import Growth, TrainingMemory, training_memory
from minicap.optim import Momentum
from minicap.training import sharded_loss

WITHIN = 0.2


@pytest.fixture(autouse=True)
def nothing_is_measured(monkeypatch):
    monkeypatch.setenv("MINICAP_AUTOTUNE", "0")


def convolutional(rng, N):
    """CNN2's layers with fewer filters."""
    net = Sequential(
        *(Conv2d(3, 16, pad="same"), ReLU(), Conv2d(16, 16, pad="same"), ReLU(), MaxPool2d(), Dropout(0.25)),
        *(Conv2d(16, 32, pad="same"), ReLU(), MaxPool2d(), Dropout(0.25), Affine(2048, 128), ReLU()),
        *(Dropout(0.5), Affine(128, 10)),
    )
    return net, rng.normal(size=(N, 3, 32, 32)).astype(np.float32)


def normalised(rng, N):
    net = Sequential(Conv2d(3, 32, 5, pad=2), BatchNorm2d(32), ReLU(), MaxPool2d(), Affine(32 * 256, 10))
    return net, rng.normal(size=(N, 3, 32, 32)).astype(np.float32)


def perceptron(rng, N):
    return Sequential(Affine(3072, 500), ReLU(), Affine(500, 10)), rng.normal(size=(N, 3072)).astype("f")


def captioner(rng, N):
    features, words = rng.normal(size=(N, 64)).astype(np.float32), rng.integers(4, 1500, size=(N, 9))
    batch = {"features": features, "words": words, "next_words": words, "mask": np.ones(words.shape, "f")}
    return ShowAndTell(ShowAndTellConfig(embed_size=64, hidden_size=96), 64, 1500), batch


def measured_peak(model, x, shards):
    """Of a few steps of a training run, by tracemalloc, with all that is there before them.

    A few, since only now and then do two threads need most at the same moment.
    """
    batch = x
    if not isinstance(x, dict):
        model, batch = Supervised(model), {"x": x, "y": np.arange(len(x)) % 10}
    rule = Momentum(0.01)

    def step():
        _, grads = sharded_loss(model, batch, RandomStream(0), shards)
        rule.step(model.params, grads)

    step()
    before = sum(
        a.nbytes for arrays in (batch, model.params, model.state, rule.arrays()) for a in arrays.values()
    )
    tracemalloc.start()
    try:
        for _ in range(5):
            step()
        return before + tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("make", [convolutional, normalised, perceptron, captioner])
def test_the_peak_of_a_step_is_foretold(rng, make):
    model, x = make(rng, 48)
    foretold = training_memory(model.initialize(), x)
    assert foretold.peak(48) == pytest.approx(measured_peak(model, x, 1), rel=WITHIN)


@pytest.mark.parametrize("make", [convolutional, normalised, perceptron, captioner])
def test_the_peak_of_two_shards_at_the_same_moment_is_foretold(rng, make):
    model, x = make(rng, 48)
    foretold = training_memory(model.initialize(), x)
    gradients = sum(array.nbytes for array in model.params.values())
    # On a busy machine the shards take turns and need less, so what is foretold is bounded from both sides:
    # two shards keep together what one keeps, and have two more sets of gradients, one each and their sum.
    assert measured_peak(model, x, 2) <= (1 + WITHIN) * foretold.peak(48, 2)
    # Where the layers have one thread, the second shard's is one more, with blocks of its own to work in.
    blocks = foretold.temporaries.fixed if foretold.threads == 1 else 0
    assert foretold.peak(48, 2) <= (1 + WITHIN) * (measured_peak(model, x, 1) + 2 * gradients + blocks)


@pytest.mark.parametrize(("make", "telling"), [(convolutional, 10_000_000), (captioner, 3_000_000)])
def test_a_few_samples_tell_what_many_need(rng, make, telling, monkeypatch):
    monkeypatch.setattr(memory, "TELLING", telling)
    model, x = make(rng, 200)
    seen, forward = [], model.forward

    def counting(x, **options):
        seen.append(len(x["words"] if isinstance(x, dict) else x))
        return forward(x, **options)

    monkeypatch.setattr(model, "forward", counting)
    foretold = training_memory(model.initialize(), x)
    assert max(seen) < 200
    monkeypatch.undo()
    assert foretold.peak(200) == pytest.approx(measured_peak(model, x, 1), rel=WITHIN)


def test_the_parts_are_what_a_reader_can_count(rng):
    model, x = perceptron(rng, 64)
    parts = training_memory(model.initialize(), x).parts(64, shards=2)
    weights = 4 * sum(p.size for p in model.params.values())
    assert parts.batch == x.nbytes
    assert (parts.parameters, parts.momentum, parts.gradients) == (weights, weights, 2 * weights)
    assert parts.kept_for_backward >= 64 * 500  # of the ReLU


def test_the_largest_batch_is_the_last_one_that_fits():
    needs = TrainingMemory(
        1000, 0, threads=1, batch=Growth(0, 10), kept=Growth(0, 100), temporaries=Growth(50, 30)
    )
    for memory_there in (3050, 3190, 10_000):
        most = needs.largest_batch(memory_there)
        assert needs.peak(most) <= memory_there < needs.peak(most + 1)
    assert needs.largest_batch(3000) == 0


def test_the_model_is_the_same_afterwards(rng):
    model, x = normalised(rng, 4)
    model.initialize()
    before = {name: array.copy() for name, array in (model.params | model.state).items()}
    training_memory(model, x)
    for name, array in (model.params | model.state).items():
        np.testing.assert_array_equal(array, before[name])


def test_memory_that_somebody_else_traces_goes_on_being_traced(rng):
    model, x = perceptron(rng, 2)
    tracemalloc.start()
    try:
        training_memory(model.initialize(), x)
        assert tracemalloc.is_tracing()
    finally:
        tracemalloc.stop()


def test_a_model_without_backward_tells_nothing(rng):
    class Forward(Module):
        def forward(self, x, train, rng=None):
            return x, None

    assert training_memory(Forward(), np.ones((2, 3))) is None


def test_a_device_tells_nothing(strict_cupy):
    model = Sequential(Affine(4, 3)).initialize()
    assert training_memory(model, strict_cupy.from_host(np.zeros((2, 4)))) is None
