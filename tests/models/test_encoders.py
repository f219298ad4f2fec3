import numpy as np
import pytest

from minicap.errors import InputError
from minicap.models.encoders import ENCODERS, SqueezeNetEncoder, SqueezeNetEncoderConfig, make_encoder
from minicap.models.squeezenet import SqueezeNet


@pytest.fixture(scope="module")
def photos():
    return (40 * np.random.default_rng(0).normal(size=(2, 3, 227, 227))).astype(np.float32)


@pytest.mark.parametrize("name", ENCODERS)
def test_every_encoder_gives_the_shapes_it_declares(name, photos):
    encoder = make_encoder(ENCODERS[name].settings())
    assert encoder.config.name == name
    for kind, shape in encoder.shapes.items():
        features = encoder.encode(photos, kind)
        assert features.shape == (2, *shape)
        assert features.dtype == np.float32


def test_pooled_features_are_means_and_maxima_of_the_grid(photos):
    grid = SqueezeNet.pretrained().features(photos)
    pooled = SqueezeNetEncoder().encode(photos, "pooled")
    np.testing.assert_allclose(pooled[:, :512], grid.mean(axis=(2, 3)), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(pooled[:, 512:], grid.max(axis=(2, 3)))


def test_places_of_the_grid_come_row_by_row_averaged_over_windows(photos):
    grid = SqueezeNet.pretrained().features(photos)
    places = SqueezeNetEncoder().encode(photos, "grid")
    np.testing.assert_allclose(places[:, 9], grid[:, :, 2:4, 4:6].mean(axis=(2, 3)), rtol=1e-5, atol=1e-5)
    whole = SqueezeNetEncoder(SqueezeNetEncoderConfig(window=1)).encode(photos, "grid")
    np.testing.assert_allclose(whole[:, 14 * 3 + 5], grid[:, :, 3, 5], rtol=1e-6)


def test_features_of_other_settings_have_another_key():
    keys = [
        make_encoder(SqueezeNetEncoderConfig(window=w)).key(kind)
        for w in (1, 2)
        for kind in ("pooled", "grid")
    ]
    assert len(set(keys)) == 3  # the pooled features know no window


def test_a_window_that_does_not_fit_is_refused():
    for window in (0, 15):
        with pytest.raises(InputError, match=f"window is {window} but must be 1 to 14"):
            SqueezeNetEncoderConfig(window=window)
