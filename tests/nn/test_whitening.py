import numpy as np
import pytest

from minicap.errors import InputError, ShapeError
from minicap.gradcheck import check_model
from minicap.nn import PatchWhitening, Sequential
from minicap.nn.multiply_adds import multiply_adds


def smooth_images(rng):
    """Neighbouring pixels and channels have much in common."""
    noise = rng.normal(size=(40, 2, 12, 12))
    return (noise + np.roll(noise, 1, axis=2) + np.roll(noise, 1, axis=3) + 0.5 * noise[:, ::-1]).astype("f4")


def test_patches_come_out_uncorrelated_and_of_variance_1(rng):
    images = smooth_images(rng)
    layer = PatchWhitening(2, eps=0.0).initialize(0)
    layer.fit(images)
    out = layer(images)[:, :8].transpose(1, 0, 2, 3).reshape(8, -1)
    np.testing.assert_allclose(out @ out.T / out.shape[1], np.eye(8), atol=1e-4)


def test_the_second_half_of_the_filters_is_the_negative_of_the_first(rng):
    layer = PatchWhitening(2).initialize(0)
    layer.fit(smooth_images(rng))
    w = layer.state["w"]
    assert w.shape == (16, 2, 2, 2)
    np.testing.assert_array_equal(w[:8], -w[8:])


def test_before_it_has_seen_images_it_passes_pixels_on(rng):
    x = rng.normal(size=(1, 3, 2, 2))
    out = PatchWhitening(3).initialize(0, np.float64)(x)
    np.testing.assert_array_equal(out.ravel(), [*x.ravel(), *-x.ravel()])


def test_eps_keeps_directions_without_variance_small():
    layer = PatchWhitening(1, eps=0.25).initialize(0, np.float64)
    layer.fit(np.ones((3, 1, 4, 4)))  # along (1, 1, 1, 1) / 2 the mean square is 4, else 0
    norms = np.sort(np.linalg.norm(layer.state["w"].reshape(8, 4), axis=1))
    np.testing.assert_allclose(norms, [1 / np.sqrt(4.25)] * 2 + [2.0] * 6, rtol=1e-6)


def test_only_its_bias_learns_and_the_gradients_are_right(rng):
    layer, x = PatchWhitening(2).initialize(0, np.float64), rng.normal(size=(2, 2, 4, 5))
    layer.fit(rng.normal(size=(9, 2, 6, 6)))
    dout = rng.normal(size=(2, 16, 3, 4))

    def loss():
        out, cache = layer.forward(x, train=True)
        dx, grads = layer.backward(dout, cache)
        return (out * dout).sum(), grads | {"x": dx}

    assert set(layer.params) == {"b"}
    report = check_model(loss, layer.params | {"x": x})
    assert report.passed, str(report)


def test_its_filters_are_counted_as_work():
    assert multiply_adds(Sequential(PatchWhitening(3)), (3, 5, 5)) == 24 * 12 * 16


def test_images_without_patches_are_refused(rng):
    layer = PatchWhitening(3).initialize(0)
    with pytest.raises(ShapeError, match=r"PatchWhitening: images is \(2, 1, 4, 4\), without patches of"):
        layer.fit(rng.normal(size=(2, 1, 4, 4)))
    with pytest.raises(InputError, match="there are no images"):
        layer.fit(np.zeros((0, 3, 4, 4)))
