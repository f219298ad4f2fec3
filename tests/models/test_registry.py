from dataclasses import replace

import numpy as np
import pytest

from minicap.errors import InputError
from minicap.models import NETWORK_SETTINGS, SMALL_NETWORKS, make_network
from minicap.models.registry import AlexNetConfig, ResNetConfig, SmallNetworkConfig, VGGConfig

SMALL = {"resnet": {"width": 4}, "vgg": {"depth": 11, "hidden": 8}, "alexnet": {"hidden": 8}}


@pytest.mark.parametrize("name", NETWORK_SETTINGS)
def test_every_network_gives_a_score_for_each_class(name):
    image = (3, 64, 64) if name == "alexnet" else (3, 32, 32)
    net = make_network(NETWORK_SETTINGS[name](name=name, **SMALL.get(name, {})), image, 7)
    net.initialize(seed=0)
    assert net(np.zeros((2, *image), np.float32)).shape == (2, 7)


def test_every_small_network_has_its_name():
    assert {name for name, kind in NETWORK_SETTINGS.items() if kind is SmallNetworkConfig} == set(
        SMALL_NETWORKS
    )


@pytest.mark.parametrize("name", SMALL_NETWORKS)
def test_the_small_ones_read_grey_photos_of_8_pixels_and_none_smaller(name):
    net = make_network(SmallNetworkConfig(name), (1, 8, 8), 2)
    net.initialize(seed=0)
    assert net(np.zeros((1, 1, 8, 8), np.float32)).shape == (1, 2)
    with pytest.raises(
        InputError, match=rf"{name} reads photos of 8 x 8 pixels or more, but these are 1 x 7 x 9"
    ):
        make_network(SmallNetworkConfig(name), (1, 7, 9), 2)


def test_a_small_network_may_have_other_nonlinearities_weights_and_dropout():
    config = SmallNetworkConfig("cnn1", activation="leaky_relu", init="uniform", dropout=0.5)
    net = make_network(config, (3, 8, 8), 2).initialize(seed=0)
    assert {type(layer).__name__ for layer in net.children.values()} >= {"LeakyReLU", "Dropout"}
    assert net.children["dropout1"].options["rate"] == 0.125
    assert max(np.abs(array).max() for array in net.params.values()) <= 0.05
    with pytest.raises(InputError, match=r"dropout is 2\.0 but must be at least 0 and below 2"):
        SmallNetworkConfig(dropout=2.0)


@pytest.mark.parametrize(
    ("config", "image", "message"),
    [
        (ResNetConfig(), (1, 28, 28), "resnet reads photos in colour"),
        (VGGConfig(), (1, 32, 32), "vgg reads photos in colour, square"),
        (VGGConfig(), (3, 48, 48), "vgg reads photos in colour, square"),
        (VGGConfig(), (3, 32, 64), "vgg reads photos in colour, square"),
        (AlexNetConfig(), (3, 62, 62), "alexnet reads photos in colour, square, of 63 pixels"),
        (ResNetConfig(depth=19), (3, 32, 32), "depth is 19 but must be one of 18, 34, 50, 101"),
        (replace(VGGConfig(), depth=12), (3, 32, 32), "depth is 12 but must be one of 11, 13, 16, 19"),
    ],
)
def test_what_a_network_cannot_read_is_told(config, image, message):
    with pytest.raises(InputError, match=message):
        make_network(config, image, 10)


def test_squeezenet_reads_25_pixels_and_none_smaller():
    settings = NETWORK_SETTINGS["squeezenet1_1"]()
    net = make_network(settings, (3, 25, 25), 2)
    net.initialize(seed=0)
    assert net(np.zeros((1, 3, 25, 25), np.float32)).shape == (1, 2)
    with pytest.raises(InputError, match="25 x 25 or more"):
        make_network(settings, (3, 24, 24), 2)
