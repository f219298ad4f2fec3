import re

import numpy as np
import pytest
from models.peers import check_beside_torch, check_gradients, parameter_count

from minicap.models import SMALL_NETWORKS
from minicap.nn import Affine, Conv2d, Dropout, MaxPool2d, ReLU, Supervised

# As the paper writes them; the last layer has the classes of the data.
PAPER = {
    "softmax": "FC(10)",
    "mlp": "FC(512), RELU, FC(10)",
    "lenet": "CONV(32, 3), RELU, POOL(2), CONV(32, 3), RELU, POOL(2), FC(512), RELU, FC(10)",
    "cnn1": "CONV(32, 3), RELU, CONV(32, 3), RELU, POOL(2), DROPOUT(0.25), FC(128), RELU, DROPOUT(0.5), "
    "FC(10)",
    "cnn2": "CONV(32, 3), RELU, CONV(32, 3), RELU, POOL(2), DROPOUT(0.25), CONV(64, 3), RELU, CONV(64, 3), "
    "RELU, POOL(2), DROPOUT(0.25), FC(512), RELU, DROPOUT(0.5), FC(10)",
    "cnn3": "CONV(16, 5), RELU, POOL(2), CONV(16, 3), RELU, POOL(2), CONV(32, 3), RELU, FC(10)",
    "cnn4": "CONV(32, 5), RELU, CONV(32, 3), RELU, POOL(2), CONV(64, 3), RELU, POOL(2), CONV(128, 3), RELU, "
    "POOL(2), FC(256), RELU, DROPOUT(0.5), FC(10)",
    "cnn5": "CONV(64, 5), RELU, CONV(64, 5), RELU, POOL(2), CONV(64, 3), RELU, CONV(64, 3), RELU, "
    "CONV(64, 3), RELU, POOL(2), CONV(128, 3), RELU, FC(256), RELU, DROPOUT(0.5), FC(256), RELU, "
    "DROPOUT(0.5), FC(10)",
}


def written(module):
    """A layer in the paper's words."""
    match module:
        case Conv2d():
            filters, _, size, _ = module.declared["w"].shape
            return f"CONV({filters}, {size})"
        case Affine():
            return f"FC({module.declared['w'].shape[1]})"
        case MaxPool2d():
            return f"POOL({module.options['size']})"
        case Dropout():
            return f"DROPOUT({module.options['rate']})"
        case ReLU():
            return "RELU"


@pytest.mark.parametrize("name", PAPER)
def test_layers_are_those_of_the_paper(name):
    net = SMALL_NETWORKS[name]((3, 32, 32), 10)
    assert ", ".join(map(written, net.children.values())) == PAPER[name]


def test_all_networks_of_the_paper_are_there():
    assert set(SMALL_NETWORKS) == set(PAPER)


@pytest.mark.parametrize("image", [(1, 28, 28), (3, 32, 32), (3, 17, 21)])
@pytest.mark.parametrize("name", PAPER)
def test_photos_of_any_size_get_scores(name, image):
    net = SMALL_NETWORKS[name](image, 7).initialize()
    assert net(np.ones((2, *image), np.float32)).shape == (2, 7)


def test_cnn2_has_the_parameters_that_one_counts_by_hand():
    convolutions = 32 * (27 + 1) + 32 * (288 + 1) + 64 * (288 + 1) + 64 * (576 + 1)
    affine = (64 * 8 * 8 + 1) * 512 + (512 + 1) * 10
    assert parameter_count(SMALL_NETWORKS["cnn2"]((3, 32, 32), 10)) == convolutions + affine


# The others have so many ReLUs that some activation is always at its kink.
@pytest.mark.parametrize("name", ["softmax", "mlp", "lenet", "cnn1"])
def test_gradients_on_small_photos(name, rng):
    check_gradients(SMALL_NETWORKS[name]((2, 8, 9), 3), rng.normal(size=(3, 2, 8, 9)), rng)


def torch_network(text):
    """The paper's words in PyTorch's functions, without dropout."""

    def run(torch, p, x):
        f, convolutions, affines = torch.nn.functional, 0, 0
        for word, arguments in re.findall(r"([A-Z]+)(?:\(([^)]*)\))?", text):
            match word:
                case "CONV":
                    convolutions += 1
                    size = int(arguments.split(",")[1])
                    w, b = p[f"conv{convolutions}.w"], p[f"conv{convolutions}.b"]
                    x = f.conv2d(x, w, b, padding=size // 2)
                case "FC":
                    affines += 1
                    x = x.flatten(1) @ p[f"affine{affines}.w"] + p[f"affine{affines}.b"]
                case "POOL":
                    x = f.max_pool2d(x, int(arguments))
                case "RELU":
                    x = f.relu(x)
        return x

    return run


@pytest.mark.parametrize("name", PAPER)
def test_scores_and_gradients_equal_pytorchs(name, rng):
    net = SMALL_NETWORKS[name]((3, 16, 17), 10)
    for module in net.modules():
        if isinstance(module, Dropout):
            module.options["rate"] = 0.0
    check_beside_torch(net, rng.normal(size=(2, 3, 16, 17)), torch_network(PAPER[name]), rng)


@pytest.mark.parametrize("name", SMALL_NETWORKS)
def test_an_untrained_network_knows_no_better_than_chance(name, rng):
    model = Supervised(SMALL_NETWORKS[name]((1, 16, 16), 10)).initialize(0)
    batch = {"x": rng.normal(size=(64, 1, 16, 16)).astype(np.float32), "y": rng.integers(10, size=64)}
    assert float(model.loss(batch, train=False)[0]) == pytest.approx(np.log(10), rel=0.1)
