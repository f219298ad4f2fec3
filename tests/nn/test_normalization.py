import numpy as np

from minicap.arrays.random import RandomStream
from minicap.nn import Affine, BatchNorm, BatchNorm2d, Sequential, Supervised
from minicap.training import sharded_loss


def test_running_statistics_move_towards_those_of_the_batch(rng):
    layer = BatchNorm(3, momentum=0.9).initialize(0, np.float64)
    x = rng.normal(loc=5, scale=2, size=(50, 3))
    layer.forward(x, train=True)
    np.testing.assert_allclose(layer.buffers["running_mean"], 0.1 * x.mean(axis=0))
    np.testing.assert_allclose(layer.buffers["running_var"], 0.9 + 0.1 * x.var(axis=0))


def test_evaluation_uses_the_running_statistics_and_leaves_them(rng):
    layer = BatchNorm2d(2).initialize(0, np.float64)
    layer.buffers = {"running_mean": np.array([1.0, 2.0]), "running_var": np.array([4.0, 9.0])}
    x = rng.normal(size=(3, 2, 4, 4))
    expected = (x - np.array([1, 2])[:, None, None]) / np.sqrt(np.array([4, 9])[:, None, None] + 1e-5)
    np.testing.assert_allclose(layer(x), expected)
    np.testing.assert_array_equal(layer.buffers["running_mean"], [1, 2])


def test_running_statistics_follow_the_first_shard(rng):
    model = Supervised(Sequential(norm=BatchNorm(4), out=Affine(4, 2))).initialize(0, np.float64)
    batch = {"x": rng.normal(size=(12, 4)), "y": rng.integers(0, 2, size=12)}
    sharded_loss(model, batch, RandomStream(0), shards=3)
    norm = model.net.norm
    np.testing.assert_allclose(norm.buffers["running_mean"], 0.1 * batch["x"][:4].mean(axis=0))


def test_every_shard_normalises_with_its_own_samples(rng):
    model = Supervised(Sequential(BatchNorm(4), Affine(4, 2))).initialize(0, np.float64)
    batch = {"x": rng.normal(size=(12, 4)), "y": rng.integers(0, 2, size=12)}
    halves = [{name: a[part] for name, a in batch.items()} for part in (slice(0, 6), slice(6, 12))]
    loss, _ = sharded_loss(model, batch, RandomStream(0), shards=2)
    np.testing.assert_allclose(loss, sum(model.loss(half)[0] for half in halves) / 2)


def test_without_a_scale_only_the_shift_learns(rng):
    x, dout = rng.normal(size=(2, 3, 2, 4, 4))
    plain, bare = (BatchNorm2d(2, scale=scale).initialize(0, np.float64) for scale in (True, False))
    outs, caches = zip(*(norm.forward(x, train=True) for norm in (plain, bare)), strict=True)
    (dx, grads), (bare_dx, bare_grads) = (
        norm.backward(dout, cache) for norm, cache in zip((plain, bare), caches, strict=True)
    )
    np.testing.assert_array_equal(*outs)
    np.testing.assert_array_equal(dx, bare_dx)
    assert set(bare.params) == set(bare_grads) == {"beta"}
    np.testing.assert_array_equal(bare_grads["beta"], grads["beta"])
