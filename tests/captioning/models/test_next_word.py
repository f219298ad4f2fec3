import numpy as np
import pytest

from minicap.captioning.models.next_word import channel_moments


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
