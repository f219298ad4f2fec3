import pytest

from minicap.models import SqueezeNet, efficientnet_lite0, resnet, vgg
from minicap.nn import Affine, BatchNorm2d, Conv2d, MaxPool2d, ReLU, Residual, Sequential
from minicap.nn.multiply_adds import multiply_adds


def test_every_weight_meets_every_pixel_of_the_output():
    net = Sequential(Conv2d(3, 4, 5, stride=2, pad="same"), ReLU(), MaxPool2d(), Affine(4 * 2 * 3, 7))
    assert multiply_adds(net, (3, 8, 11)) == 4 * 3 * 25 * (4 * 6) + 4 * 2 * 3 * 7


def test_groups_see_fewer_channels_and_both_ways_of_a_residual_count():
    body = Sequential(Conv2d(6, 6, 3, pad=1, groups=6, bias=False), BatchNorm2d(6))
    assert multiply_adds(Residual(body, Conv2d(6, 6, 1)), (6, 4, 4)) == 16 * (6 * 9 + 36)


def test_the_network_is_as_before():
    net = Sequential(Conv2d(1, 1, 3), ReLU())
    multiply_adds(net, (1, 4, 4))
    assert all("forward" not in vars(module) for module in net.modules())


@pytest.mark.parametrize(
    ("net", "billions"),
    [(resnet(50), 4.09), (vgg(16), 15.47), (efficientnet_lite0(), 0.385), (SqueezeNet(), 0.388)],
    ids=["resnet50", "vgg16", "efficientnet_lite0", "squeezenet1_1"],
)
def test_networks_take_what_their_papers_say(net, billions):
    size = 227 if isinstance(net, SqueezeNet) else 224
    assert multiply_adds(net, (3, size, size)) / 1e9 == pytest.approx(billions, abs=0.005)
