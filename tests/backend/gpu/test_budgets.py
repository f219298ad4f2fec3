"""What whole layers and training steps cost: launches within budget, no wait, no transfer, no hidden copy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import DEVICE
from strict_cupy import Counts, counting

from minicap.arrays import Backend, textbook, to_device, to_host, use_backend
from minicap.arrays.random import RandomStream
from minicap.backend.gpu import affine, small_conv
from minicap.captioning.models import AttendAndTell, AttendAndTellConfig, ShowAndTell, ShowAndTellConfig
from minicap.layers import gru_backward, gru_forward, lstm_backward, lstm_forward, rnn_backward, rnn_forward
from minicap.nn import Affine, Conv2d, Dropout, MaxPool2d, Module, ReLU, Sequential, Supervised
from minicap.optim.rules import Adam
from minicap.training import RunFolder, Trainer, TrainingConfig


@contextmanager
def budget(launches: int) -> Iterator[Counts]:
    """Inside, at most that many launches and nothing that stalls the device."""
    with counting() as counts:
        yield counts
    assert not counts.stalls
    assert counts.hidden_copies == 0
    assert counts.launches <= launches


@pytest.mark.parametrize(
    ("forward", "backward", "gates", "at_once", "by_steps"),
    [
        (lstm_forward, lstm_backward, 4, 8, 75),
        (gru_forward, gru_backward, 3, 9, 76),
        (rnn_forward, rnn_backward, 1, 8, 72),
    ],
)
@pytest.mark.parametrize("fits", [True, False])
def test_sixteen_steps_forward_and_backward(
    forward: Any,
    backward: Any,
    gates: int,
    at_once: int,
    by_steps: int,
    fits: bool,
    gpu: Backend,
    rng: np.random.Generator,
    monkeypatch,
):
    def draw(*shape: int) -> Any:
        return to_device(rng.normal(size=shape).astype(np.float32))

    N, T, D, H = 5, 16, 12, 10
    weights = [draw(D, gates * H), draw(H, gates * H), draw(gates * H)]
    if gates == 3:
        weights.append(draw(gates * H))
    x, h0, dh = draw(N, T, D), draw(N, H), draw(N, T, H)
    if not fits:
        monkeypatch.setattr(DEVICE, "cooperative", False)
    with budget(at_once if fits else by_steps):
        _, cache = forward(x, h0, *weights)
        backward(dh, cache)


def cnn2() -> Module:
    def half(channels: int, filters: int) -> list[Module]:
        return [
            *(Conv2d(channels, filters, 3, pad=1), ReLU(), Conv2d(filters, filters, 3, pad=1), ReLU()),
            *(MaxPool2d(), Dropout(0.25)),
        ]

    return Supervised(Sequential(*half(3, 4), *half(4, 8), Affine(8 * 2 * 2, 16), Affine(16, 10)))


def cnn2_batch(rng: np.random.Generator) -> dict[str, Any]:
    return dict(x=rng.normal(size=(4, 3, 8, 8)).astype(np.float32), y=rng.integers(10, size=4))


def captioner() -> Module:
    return ShowAndTell(ShowAndTellConfig("lstm", 6, 7, dropout=0.5), feature_size=5, vocabulary_size=11)


def captioner_batch(rng: np.random.Generator) -> dict[str, Any]:
    words = rng.integers(11, size=(4, 16))
    features = rng.normal(size=(4, 5)).astype(np.float32)
    return dict(features=features, words=words[:, :-1], next_words=words[:, 1:], mask=np.ones((4, 15), bool))


def attentive() -> Module:
    return AttendAndTell(AttendAndTellConfig(6, 7, 5, dropout=0.5), feature_size=5, vocabulary_size=11)


def attentive_batch(rng: np.random.Generator) -> dict[str, Any]:
    return captioner_batch(rng) | dict(features=rng.normal(size=(4, 9, 5)).astype(np.float32))


# The first affine layer goes to cuBLAS, as for 256 photos of 32 x 32; no convolution does.
OF_256_PHOTOS = {affine: ("SMALL_PRODUCT", 1000)}
ALL_BY_CUBLAS = {affine: ("SMALL_PRODUCT", 0), small_conv: ("MOST_PRODUCTS", 0)}
STEPS = [
    pytest.param(cnn2, cnn2_batch, {}, 30, id="cnn2"),
    pytest.param(cnn2, cnn2_batch, OF_256_PHOTOS, 33, id="cnn2, as for 256 photos"),
    pytest.param(cnn2, cnn2_batch, ALL_BY_CUBLAS, 53, id="cnn2, all products by cuBLAS"),
    pytest.param(captioner, captioner_batch, {}, 40, id="captioner"),
    pytest.param(attentive, attentive_batch, {}, 594, id="captioner with attention"),
]


@pytest.mark.parametrize(("build", "draw", "limits", "launches"), STEPS)
def test_a_training_step(
    build: Callable[[], Any],
    draw: Callable[..., Any],
    limits: dict[Any, tuple[str, int]],
    launches: int,
    gpu: Backend,
    rng: np.random.Generator,
    monkeypatch,
):
    for module, (name, limit) in limits.items():
        monkeypatch.setattr(module, name, limit)
    host = draw(rng)
    with use_backend("numpy"), textbook():
        expected_loss, expected = build().initialize(0).loss(host, rng=RandomStream(3), count=4)
    model = build().initialize(0)
    batch = {name: to_device(array) for name, array in host.items()}
    loss, grads = model.loss(batch, rng=RandomStream(3), count=4)
    np.testing.assert_allclose(to_host(loss), expected_loss, rtol=1e-5)
    for name, grad in expected.items():
        atol = 1e-5 * max(1, np.abs(grad).max())
        np.testing.assert_allclose(to_host(grads[name]), grad, rtol=0, atol=atol, err_msg=name)
    rule = Adam(0.01)
    rule.step(model.params, grads)  # its memory is made
    with budget(launches):
        _, grads = model.loss(batch, rng=RandomStream(4), count=4)
        rule.step(model.params, grads)


class Photos:
    """Three batches of four photos."""

    def __len__(self) -> int:
        return 12

    def batch(self, indices: np.ndarray, rng: RandomStream | None) -> dict[str, Any]:
        return cnn2_batch(np.random.default_rng(int(indices[0])))


def test_a_step_of_the_trainer_waits_for_nothing(gpu: Backend, tmp_path: Path):
    config = TrainingConfig(epochs=2, batch_size=4, shards=1, clip_norm=5.0)
    trainer = Trainer(cnn2().initialize(0), Photos(), config, RunFolder(tmp_path))
    trainer.train_epoch()
    trainer.end_epoch()
    with counting() as counts:
        trainer.train_epoch()
    assert counts.launches <= 3 * 33
    assert counts.hidden_copies == 0
    assert counts.uploads == 3 * 2
    assert counts.stalls == {"to_host": 3 * 2}  # loss and norm, when the next batch is on its way


def train(backend: str, build: Callable[[], Any], batch: dict[str, Any]) -> list[float]:
    """The losses of five steps of Adam."""
    with use_backend(backend):
        model, rule, losses = build().initialize(0), Adam(0.01), []
        batch = {name: to_device(array) for name, array in batch.items()}
        for step in range(5):
            loss, grads = model.loss(batch, rng=RandomStream(step))
            rule.step(model.params, grads)
            losses.append(float(to_host(loss)))
    return losses


@pytest.mark.parametrize(("build", "draw"), [(cnn2, cnn2_batch), (captioner, captioner_batch)])
def test_five_steps_of_training_lose_what_numpy_loses(
    build: Callable[[], Any], draw: Callable[..., Any], gpu: Backend, rng: np.random.Generator
):
    batch = draw(rng)
    with textbook():
        expected = train("numpy", build, batch)
    losses = train("strict-cupy", build, batch)
    np.testing.assert_allclose(losses, expected, rtol=1e-3)
    assert losses[-1] < losses[0]
    assert losses == train("strict-cupy", build, batch)
