import numpy as np
import pytest
from models.peers import check_beside_torch, check_gradients, parameter_count

from minicap.errors import InputError
from minicap.models import vgg

SMALL = {"num_classes": 3, "image_size": 32, "filters": (2, 3, 4, 4, 5), "hidden": 6}
CONVOLUTIONS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


@pytest.mark.parametrize(
    ("depth", "plain", "normalised"),
    [
        (11, 132_863_336, 132_868_840),
        (13, 133_047_848, 133_053_736),
        (16, 138_357_544, 138_365_992),
        (19, 143_667_240, 143_678_248),
    ],
)
def test_networks_have_as_many_parameters_as_torchvisions(depth, plain, normalised):
    assert parameter_count(vgg(depth)) == plain
    assert parameter_count(vgg(depth, batch_norm=True)) == normalised


@pytest.mark.parametrize("depth", CONVOLUTIONS)
def test_depth_counts_convolutions_and_affine_layers(depth):
    kinds = [type(module).__name__ for module in vgg(depth).modules()]
    assert kinds.count("Conv2d") + kinds.count("Affine") == depth


def test_a_photo_is_halved_five_times():
    net = vgg(11, **SMALL | {"image_size": 64}).initialize()
    x = np.ones((2, 3, 64, 64), np.float32)
    assert net.features(x).shape == (2, 5, 2, 2)
    assert net(x).shape == (2, 3)


def test_another_depth_is_refused():
    with pytest.raises(InputError, match="depth is 12 but must be one of 11, 13, 16, 19"):
        vgg(12)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_gradients_of_a_small_copy(batch_norm, rng):
    check_gradients(vgg(11, batch_norm=batch_norm, **SMALL), rng.normal(size=(3, 3, 32, 32)), rng)


def torch_vgg(depth, batch_norm):
    """By hand, as in table 1 of the paper; without dropout, which the test takes out of ours."""

    def run(torch, p, x):
        f, number = torch.nn.functional, 0
        for convolutions in CONVOLUTIONS[depth]:
            for _ in range(convolutions):
                number += 1
                x = f.conv2d(x, p[f"features.conv{number}.w"], p[f"features.conv{number}.b"], padding=1)
                if batch_norm:
                    gamma, beta = (p[f"features.bn{number}.{name}"] for name in ("gamma", "beta"))
                    x = f.batch_norm(x, None, None, gamma, beta, training=True)
                x = f.relu(x)
            x = f.max_pool2d(x, 2)
        x = x.flatten(1)
        for number in (1, 2, 3):
            x = x @ p[f"classifier.affine{number}.w"] + p[f"classifier.affine{number}.b"]
            x = f.relu(x) if number < 3 else x
        return x

    return run


@pytest.mark.parametrize(("depth", "batch_norm"), [(11, False), (13, True), (16, False), (19, True)])
def test_scores_and_gradients_equal_pytorchs(depth, batch_norm, rng):
    net, x = vgg(depth, batch_norm=batch_norm, **SMALL), rng.normal(size=(4, 3, 32, 32))
    for name in ("dropout1", "dropout2"):
        net.classifier.children[name].options["rate"] = 0.0
    check_beside_torch(net, x, torch_vgg(depth, batch_norm), rng)
