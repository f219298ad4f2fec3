import numpy as np
import pytest
from models.peers import check_beside_torch, check_gradients, parameter_count

from minicap.errors import InputError
from minicap.models import resnet
from minicap.nn import Affine, GlobalAvgPool, Sequential


@pytest.mark.parametrize(
    ("depth", "millions"), [(18, 11.689512), (34, 21.797672), (50, 25.557032), (101, 44.549160)]
)
def test_networks_have_as_many_parameters_as_torchvisions(depth, millions):
    assert parameter_count(resnet(depth)) == round(millions * 1e6)


@pytest.mark.parametrize(("depth", "channels"), [(18, 32), (50, 128)])
def test_a_photo_is_halved_five_times(depth, channels):
    net = resnet(depth, num_classes=7, width=4).initialize()
    x = np.ones((2, 3, 70, 64), np.float32)
    for name in ("conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4"):
        x = net.children[name](x)
    assert x.shape == (2, channels, 3, 2)
    assert net.fc(net.avgpool(x)).shape == (2, 7)


def test_the_versions_differ_in_the_layer_with_the_stride():
    strides = {
        version: [
            resnet(50, version=version).layer2.children["0"].residual.body.children[name].options["stride"]
            for name in ("conv1", "conv2", "conv3")
        ]
        for version in ("v1", "v1.5")
    }
    assert strides == {"v1": [2, 1, 1], "v1.5": [1, 2, 1]}


def test_another_depth_or_version_is_refused():
    with pytest.raises(InputError, match="depth is 20 but must be one of 18, 34, 50, 101"):
        resnet(20)
    with pytest.raises(InputError, match="version is 'v2'"):
        resnet(50, version="v2")


@pytest.mark.parametrize(("depth", "channels"), [(18, 2), (50, 8)])
def test_gradients_of_a_stage(depth, channels, rng):
    """A block with a shortcut of its own and blocks without; the whole network is held against PyTorch's."""
    stage = resnet(depth, width=2).layer2
    net = Sequential(stage, GlobalAvgPool(), Affine(2 * channels, 3))
    check_gradients(net, rng.normal(size=(3, channels, 5, 4)), rng)


def torch_resnet(depth, version):
    """By hand: blocks in each stage, 3x3 pairs or bottlenecks, as in table 1 of the paper."""
    blocks = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}[depth]

    def run(torch, p, x):
        f = torch.nn.functional

        def norm(x, name):
            return f.batch_norm(x, None, None, p[f"{name}.gamma"], p[f"{name}.beta"], training=True)

        def conv_norm(x, conv, bn, **options):
            return norm(f.conv2d(x, p[f"{conv}.w"], **options), bn)

        x = f.relu(conv_norm(x, "conv1", "bn1", stride=2, padding=3))
        x = f.max_pool2d(x, 3, 2, 1)
        for stage, count in enumerate(blocks, 1):
            for block in range(count):
                stride = 2 if stage > 1 and block == 0 else 1
                at = f"layer{stage}.{block}.residual"
                body, beside = f"{at}.body", f"{at}.shortcut"
                if depth == 18:
                    out = f.relu(conv_norm(x, f"{body}.conv1", f"{body}.bn1", stride=stride, padding=1))
                    out = conv_norm(out, f"{body}.conv2", f"{body}.bn2", padding=1)
                else:
                    first, second = (stride, 1) if version == "v1" else (1, stride)
                    out = f.relu(conv_norm(x, f"{body}.conv1", f"{body}.bn1", stride=first))
                    out = f.relu(conv_norm(out, f"{body}.conv2", f"{body}.bn2", stride=second, padding=1))
                    out = conv_norm(out, f"{body}.conv3", f"{body}.bn3")
                if f"{beside}.conv.w" in p:
                    x = conv_norm(x, f"{beside}.conv", f"{beside}.bn", stride=stride)
                x = f.relu(out + x)
        return x.mean(dim=(2, 3)) @ p["fc.w"] + p["fc.b"]

    return run


@pytest.mark.parametrize(("depth", "version"), [(18, "v1.5"), (50, "v1"), (50, "v1.5")])
def test_scores_and_gradients_equal_pytorchs(depth, version, rng):
    net, x = resnet(depth, 3, version, width=2), rng.normal(size=(4, 3, 40, 33))
    check_beside_torch(net, x, torch_resnet(depth, version), rng)
