from dataclasses import replace

import numpy as np
import pytest

from minicap.errors import InputError
from minicap.models import NETWORK_SETTINGS, SMALL_NETWORKS, make_network
from minicap.models.registry import (
    AlexNetConfig,
    GoogLeNetConfig,
    InceptionV3Config,
    ResNetConfig,
    SmallNetworkConfig,
    VGGConfig,
)
from minicap.nn import Dropout, Supervised, WithHeads
from minicap.nn.multiply_adds import multiply_adds
from minicap.optim import Adam

# Settings that make a network fast, and the side of the photos that it needs.  One that is not here takes its
# own settings and 32 pixels.
SMALL = {
    "resnet": {"width": 4},
    "vgg": {"depth": 11, "hidden": 32},
    "alexnet": {"hidden": 32},
    "googlenet": {"width": 0.25},
    "inception_v3": {"width": 0.125},
    "efficientnet_lite0": {"width": 0.25},
}
SIDES = {"alexnet": 64, "inception_v3": 75, "squeezenet1_0": 64, "squeezenet1_1": 64}
QUICK = ("softmax", "mlp", "cnn3", "resnet")  # the others learn for longer than a second
RATES = {"squeezenet1_0": 3e-4, "squeezenet1_1": 3e-4}
OPENED = ("squeezenet1_0", "squeezenet1_1")  # the ReLU at their end may start out shut for some class


def small(name, classes):
    side = SIDES.get(name, 32)
    settings = NETWORK_SETTINGS[name](name=name, **SMALL.get(name, {}))
    return make_network(settings, (3, side, side), classes), (3, side, side)


@pytest.mark.parametrize("name", NETWORK_SETTINGS)
def test_every_network_gives_a_score_for_each_class(name):
    net, image = small(name, 7)
    net.initialize(seed=0)
    assert net(np.zeros((2, *image), np.float32)).shape == (2, 7)


@pytest.mark.parametrize("name", NETWORK_SETTINGS)
def test_every_networks_summary_counts_the_parameters_of_its_scores(name):
    net, image = small(name, 7)
    net = net.trunk if isinstance(net, WithHeads) else net
    rows = net.initialize(seed=0).summary((1, *image))
    assert sum(row.parameters for row in rows) == sum(p.size for p in net.params.values())
    assert rows[-1].shape == (1, 7)
    assert multiply_adds(net, image) > 0


@pytest.mark.parametrize(
    "name",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in NETWORK_SETTINGS],
)
def test_every_network_learns_fifty_photos_by_heart(name, rng):
    """Noise with labels: nothing but the photos themselves tells them apart."""
    net, image = small(name, 5)
    for module in net.modules():
        if isinstance(module, Dropout):
            module.options["rate"] = 0.0
    model = Supervised(net).initialize(0)
    if name in OPENED:
        model.params["net.classifier.conv10.b"][...] = 1
    batch = {"x": rng.normal(size=(50, *image)).astype(np.float32), "y": np.arange(50) % 5}
    rule, losses = Adam(RATES.get(name, 1e-3)), []
    while not losses or (losses[-1] > 0.1 * losses[0] and len(losses) < 400):
        loss, grads = model.loss(batch, rng=len(losses))
        rule.step(model.params, grads)
        losses.append(float(loss))
    assert losses[-1] <= 0.1 * losses[0]


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
        (GoogLeNetConfig(), (3, 31, 31), "googlenet reads photos in colour, square, of 32 pixels"),
        (GoogLeNetConfig(batch_norm=False), (3, 46, 46), "photos in colour, square, of 47 pixels"),
        (InceptionV3Config(), (3, 74, 74), "inception_v3 reads photos in colour, square, of 75 pixels"),
        (ResNetConfig(depth=19), (3, 32, 32), "depth is 19 but must be one of 18, 34, 50, 101"),
        (replace(VGGConfig(), depth=12), (3, 32, 32), "depth is 12 but must be one of 11, 13, 16, 19"),
    ],
)
def test_what_a_network_cannot_read_is_told(config, image, message):
    with pytest.raises(InputError, match=message):
        make_network(config, image, 10)


@pytest.mark.parametrize(("name", "least"), [("squeezenet1_0", 29), ("squeezenet1_1", 25)])
def test_squeezenet_reads_so_many_pixels_and_none_smaller(name, least):
    settings = NETWORK_SETTINGS[name](name)
    net = make_network(settings, (3, least, least), 2)
    net.initialize(seed=0)
    assert net(np.zeros((1, 3, least, least), np.float32)).shape == (1, 2)
    with pytest.raises(InputError, match=f"{least} x {least} or more"):
        make_network(settings, (3, least - 1, least - 1), 2)
