import numpy as np
import pytest

from minicap.layers import softmax_loss
from minicap.nn import Affine, Supervised


@pytest.fixture
def model():
    return Supervised(Affine(4, 3)).initialize(0, np.float64)


@pytest.fixture
def batch(rng):
    return {"x": rng.normal(size=(5, 4)), "y": np.array([0, 2, 1, 1, 0])}


def test_the_loss_is_the_mean_over_the_samples(model, batch):
    loss, grads = model.loss(batch)
    expected, dscores = softmax_loss(model(batch["x"]), batch["y"])
    np.testing.assert_allclose(loss, expected)
    np.testing.assert_allclose(grads["net.b"], dscores.sum(axis=0))
    assert model.count(batch) == 5


def test_shards_that_divide_by_the_count_of_the_batch_add_up(model, batch):
    loss, grads = model.loss(batch)
    parts = [model.loss({k: v[part] for k, v in batch.items()}, count=5) for part in (slice(2), slice(2, 5))]
    np.testing.assert_allclose(sum(part_loss for part_loss, _ in parts), loss)
    np.testing.assert_allclose(sum(part["net.w"] for _, part in parts), grads["net.w"])


def test_evaluation_gives_the_loss_and_no_gradients(model, batch):
    loss, grads = model.loss(batch, train=False)
    np.testing.assert_allclose(loss, model.loss(batch)[0])
    assert grads == {}
