import numpy as np
import pytest
from models.peers import check_beside_torch, check_gradients, parameter_count

from minicap.errors import InputError
from minicap.models import alexnet

SMALL = {"num_classes": 3, "image_size": 67, "filters": (4, 6, 4, 4, 6), "hidden": 5}


@pytest.mark.parametrize(("grouped", "parameters"), [(False, 61_100_840), (True, 60_965_224)])
def test_networks_have_as_many_parameters_as_published(grouped, parameters):
    assert parameter_count(alexnet(grouped=grouped)) == parameters


def test_the_last_pooling_leaves_6_by_6():
    for grouped, size in ((False, 224), (True, 227)):
        net = alexnet(grouped=grouped, filters=(2,) * 5, hidden=2).initialize()
        assert net.features(np.zeros((1, 3, size, size), np.float32)).shape == (1, 2, 6, 6)


def test_photos_too_small_are_refused():
    net = alexnet(2, image_size=63, filters=(2,) * 5, hidden=2).initialize()
    assert net(np.zeros((1, 3, 63, 63), np.float32)).shape == (1, 2)
    with pytest.raises(InputError, match="image_size is 62 but must be at least 63"):
        alexnet(image_size=62)


@pytest.mark.parametrize("grouped", [False, True])
def test_gradients_of_a_small_copy(grouped, rng):
    check_gradients(without_dropout(grouped), rng.normal(size=(2, 3, 67, 67)), rng)


@pytest.mark.parametrize("grouped", [False, True])
def test_scores_and_gradients_equal_pytorchs(grouped, rng):
    """PyTorch divides the alpha of its normalisation by the size of the window, the paper does not."""

    def theirs(torch, p, x):
        f = torch.nn.functional
        groups = 2 if grouped else 1
        options = [{"stride": 4, "padding": 0 if grouped else 2}, {"padding": 2, "groups": groups}]
        options += [{"padding": 1}, {"padding": 1, "groups": groups}, {"padding": 1, "groups": groups}]
        for number, option in enumerate(options, 1):
            at = f"features.conv{number}"
            x = f.relu(f.conv2d(x, p[f"{at}.w"], p[f"{at}.b"], **option))
            if grouped and number < 3:
                x = f.local_response_norm(x, 5, alpha=5e-4, beta=0.75, k=2.0)
            if number in (1, 2, 5):
                x = f.max_pool2d(x, 3, 2)
        x = x.flatten(1)
        for number in (1, 2, 3):
            x = x @ p[f"classifier.affine{number}.w"] + p[f"classifier.affine{number}.b"]
            x = f.relu(x) if number < 3 else x
        return x

    check_beside_torch(without_dropout(grouped), rng.normal(size=(3, 3, 67, 67)), theirs, rng)


def without_dropout(grouped):
    net = alexnet(grouped=grouped, **SMALL)
    for name in ("dropout1", "dropout2"):
        net.classifier.children[name].options["rate"] = 0.0
    return net
