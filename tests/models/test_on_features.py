from dataclasses import replace

import numpy as np
import pytest

from minicap.data.images import SQUEEZENET
from minicap.errors import InputError
from minicap.models import OnFeatures, make_network
from minicap.models.encoders import EfficientNetLite0EncoderConfig, make_encoder
from minicap.models.on_features import OnFeaturesConfig
from minicap.nn import Supervised
from minicap.optim import Adam


class ThreeMeans:
    """An encoder whose features are the means of the channels, in the order in which it is given them."""

    def __init__(self, channels):
        self.shapes = {"pooled": (3,)}
        self.preprocess = replace(SQUEEZENET, channels=channels)

    def encode(self, images, kind="pooled"):
        return images.mean(axis=(2, 3))


@pytest.fixture
def photos(rng):
    return rng.normal(size=(6, 3, 4, 4)).astype(np.float32)


@pytest.mark.parametrize(("channels", "order"), [("RGB", [0, 1, 2]), ("BGR", [2, 1, 0])])
def test_the_encoder_gets_the_channels_in_its_own_order(photos, channels, order):
    features = OnFeatures(ThreeMeans(channels), 2).features(photos)
    np.testing.assert_array_equal(features, photos.mean(axis=(2, 3))[:, order])


def test_it_begins_with_equal_scores_and_learns_from_standardised_features(photos):
    net = OnFeatures(ThreeMeans("RGB"), 2)
    model = Supervised(net).initialize(0)
    net.fit(photos)
    np.testing.assert_array_equal(model(photos), 0)
    standardized, _ = net.head.children["standardized"].forward(net.features(photos), False)
    np.testing.assert_allclose(standardized.std(axis=0), 1, rtol=1e-4)
    batch = {"x": photos, "y": (photos.mean(axis=(2, 3))[:, 0] > 0).astype(int)}
    rule = Adam(learning_rate=0.1)
    for _ in range(100):
        _, grads = model.loss(batch)
        rule.step(model.params, grads)
    assert (model(photos).argmax(axis=1) == batch["y"]).all()


def test_the_gradients_are_those_of_softmax_regression(photos):
    net = OnFeatures(ThreeMeans("RGB"), 2).initialize(0, np.float64)
    dout = np.arange(12.0).reshape(6, 2)
    _, cache = net.forward(photos, train=True)
    dx, grads = net.backward(dout, cache, input_gradient=False)
    assert dx is None
    assert set(grads) == set(net.params) == {"head.affine.w", "head.affine.b"}
    np.testing.assert_allclose(grads["head.affine.w"], photos.mean(axis=(2, 3)).T @ dout, rtol=1e-5)
    np.testing.assert_allclose(grads["head.affine.b"], dout.sum(axis=0))


def test_the_photo_has_no_gradient(photos):
    net = OnFeatures(ThreeMeans("RGB"), 2).initialize(0)
    out, cache = net.forward(photos, train=True)
    with pytest.raises(InputError, match="the photo has no gradient here"):
        net.backward(out, cache)


def test_its_settings_say_how_photos_are_prepared_and_refuse_others():
    config = OnFeaturesConfig()
    assert config.photos == make_encoder(EfficientNetLite0EncoderConfig()).preprocess
    net = make_network(config, (3, 224, 224), 4)
    assert net.shapes["head.affine.w"] == (1280, 4)
    with pytest.raises(InputError, match=r"of 224 x 224, but these are 1 x 28 x 28 .* --size 224"):
        make_network(config, (1, 28, 28), 4)
    with pytest.raises(InputError, match=r"dropout is 1\.0"):
        OnFeaturesConfig(dropout=1.0)
