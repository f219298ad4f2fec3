import numpy as np
import pytest
from models.peers import draw_vectors

from minicap.models import efficientnet_lite0, inception_v3, resnet, vgg
from minicap.nn import BatchNorm2d, Conv2d, ReLU, Sequential
from minicap.nn.folding import fold_batch_norm, unfolded

NETWORKS = {
    "resnet": lambda: resnet(18, 4, width=2),
    "efficientnet": lambda: efficientnet_lite0(4, width=0.1),
    "inception": lambda: inception_v3(4, width=0.03, heads=False),
    "vgg": lambda: vgg(11, 4, batch_norm=True, image_size=64, filters=(2,) * 5, hidden=3),
}


def trained(make, rng):
    """One whose normalisation has something to do, as after training."""
    net = make().initialize(1, np.float64)
    draw_vectors(net, rng)
    for name, array in net.state.items():
        array[...] = (
            rng.uniform(0.5, 2, size=array.shape) if name.endswith("var") else rng.normal(size=array.shape)
        )
    return net


def photos(make, rng):
    return rng.normal(size=(2, 3, 75, 75) if make is NETWORKS["inception"] else (2, 3, 64, 64))


def test_by_hand_for_one_convolution():
    net = Sequential(conv=Conv2d(1, 1, 1), bn=BatchNorm2d(1, eps=0.0)).initialize(0, np.float64)
    net.load(
        {
            "conv.w": np.full((1, 1, 1, 1), 3.0),
            "conv.b": np.array([5.0]),
            "bn.gamma": np.array([8.0]),
            "bn.beta": np.array([1.0]),
            "bn.running_mean": np.array([7.0]),
            "bn.running_var": np.array([16.0]),
        }
    )
    folded = fold_batch_norm(net)
    assert {name: array.item() for name, array in folded.params.items()} == {"conv.w": 6, "conv.b": -3}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_a_folded_network_answers_as_before(make, rng):
    net, x = trained(make, rng), photos(make, rng)
    folded = fold_batch_norm(net)
    assert not any(isinstance(module, BatchNorm2d) for module in folded.modules())
    np.testing.assert_allclose(folded(x), net(x), rtol=1e-9, atol=1e-9 * np.abs(net(x)).max())


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_arrays_of_a_folded_network_fit_the_network_that_it_came_from(make, rng):
    net, x, again = trained(make, rng), photos(make, rng), make()
    folded = fold_batch_norm(net)
    again.load(unfolded(again, folded.params | folded.state))
    np.testing.assert_allclose(again(x), net(x), rtol=1e-9, atol=1e-9 * np.abs(net(x)).max())


def test_heads_that_only_training_listens_to_are_gone(rng):
    net = inception_v3(4, width=0.03, image_size=75).initialize(1, np.float64)
    folded, x = fold_batch_norm(net), rng.normal(size=(1, 3, 75, 75))
    assert {name.partition(".")[0] for name in folded.params} == {"trunk"}
    np.testing.assert_allclose(folded(x), net(x), rtol=1e-9, atol=1e-11)


def test_a_network_without_numbers_gives_one_without(rng):
    net = NETWORKS["resnet"]()
    folded = fold_batch_norm(net)
    assert set(folded.shapes) == set(fold_batch_norm(trained(NETWORKS["resnet"], rng)).shapes)
    assert folded.shapes["conv1.b"] == (2,)


def test_what_has_no_batch_normalisation_stays_itself():
    net = Sequential(Conv2d(3, 2), ReLU())
    assert fold_batch_norm(net) is net


def test_one_that_follows_no_convolution_stays(rng):
    net = Sequential(norm=BatchNorm2d(3), act=ReLU(), conv=Conv2d(3, 2)).initialize(0, np.float64)
    x = rng.normal(size=(2, 3, 5, 5))
    folded = fold_batch_norm(net)
    assert list(folded.children) == ["norm", "act", "conv"]
    np.testing.assert_allclose(folded(x), net(x))


def test_the_dtype_stays(rng):
    net = NETWORKS["resnet"]().initialize(1)
    assert {array.dtype for array in fold_batch_norm(net).params.values()} == {np.dtype("float32")}
