import numpy as np
import pytest

from minicap.errors import ShapeError
from minicap.nn.standardization import Standardization, channel_moments


@pytest.mark.parametrize("shape", [(7, 3), (1, 3), (7, 4, 3)])
@pytest.mark.parametrize("photos", [1, 3, 100])
def test_moments_do_not_depend_on_the_pieces_they_are_taken_in(shape, photos):
    features = 1e3 + np.random.default_rng(0).normal(size=shape)
    mean, std, of_all = channel_moments(features, photos)
    np.testing.assert_allclose(mean, features.reshape(-1, 3).mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(std, features.reshape(-1, 3).std(axis=0), rtol=1e-9, atol=1e-12)
    assert of_all == pytest.approx(features.std(), rel=1e-9, abs=1e-12)


def test_moments_by_hand():
    mean, std, of_all = channel_moments(np.array([[1.0, 10.0], [3.0, 10.0]], dtype=np.float32))
    assert mean.tolist() == [2, 10]
    assert std.tolist() == [1, 0]
    assert of_all == pytest.approx(np.std([1, 10, 3, 10]))


def test_what_it_was_fitted_to_has_mean_0_and_deviation_1():
    x = 5 + 2 * np.random.default_rng(0).normal(size=(40, 3))
    module = Standardization(3)
    module.fit(x, np.float64)
    out, cache = module.forward(x, train=True)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-13)
    np.testing.assert_allclose(out.std(axis=0), 1, rtol=1e-13)
    dx, grads = module.backward(np.ones_like(x), cache)
    np.testing.assert_allclose(dx, np.broadcast_to(1 / x.std(axis=0), x.shape), rtol=1e-12)
    assert grads == {}
    assert module.backward(np.ones_like(x), cache, input_gradient=False) == (None, {})


def test_a_channel_that_never_fires_does_not_shout_when_it_does():
    x = np.random.default_rng(0).normal(size=(40, 3))
    x[:, 1] = 0
    module = Standardization(3)
    module.fit(x, np.float32)
    assert module(np.ones((1, 3), np.float32))[0, 1] < 2000


def test_features_of_another_size_are_refused():
    for x in (np.ones((2, 4)), np.ones(3)):
        with pytest.raises(ShapeError, match=r"must be \(N, ..., 3\)"):
            Standardization(3)(x)
