import numpy as np
import pytest

from minicap.models import SMALL_NETWORKS
from minicap.models.variations import with_activation, with_draw, with_dropout
from minicap.nn import Dropout, LeakyReLU, ReLU
from minicap.nn.init import uniform


def kinds(net):
    return [type(layer) for layer in net.children.values()]


def test_another_nonlinearity_stands_where_each_relu_was():
    before = kinds(SMALL_NETWORKS["cnn2"]((3, 8, 8), 4))
    after = kinds(with_activation(SMALL_NETWORKS["cnn2"]((3, 8, 8), 4), LeakyReLU))
    assert ReLU in before
    assert after == [LeakyReLU if kind is ReLU else kind for kind in before]


def test_dropout_rates_are_scaled_and_none_are_left_for_a_factor_of_0():
    def rates(net):
        return [layer.options["rate"] for layer in net.children.values() if isinstance(layer, Dropout)]

    net = SMALL_NETWORKS["cnn2"]((3, 8, 8), 4)
    assert rates(net) == [0.25, 0.25, 0.5]
    assert rates(with_dropout(net, 1.5)) == [0.375, 0.375, 0.75]
    without = with_dropout(SMALL_NETWORKS["cnn2"]((3, 8, 8), 4), 0)
    assert rates(without) == []
    assert kinds(without) == [kind for kind in kinds(net) if kind is not Dropout]


@pytest.mark.parametrize("name", SMALL_NETWORKS)
def test_every_weight_is_drawn_the_other_way_and_biases_stay_zero(name):
    net = with_draw(SMALL_NETWORKS[name]((3, 8, 8), 4), uniform(0.05)).initialize(seed=1)
    for path, array in net.params.items():
        if path.endswith("b"):
            assert not array.any()
        else:
            assert 0.04 < np.abs(array).max() <= 0.05
