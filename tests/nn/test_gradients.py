"""Every module, inside a small network, against central differences."""

import inspect

import numpy as np
import pytest

from minicap import nn
from minicap.arrays.random import RandomStream
from minicap.gradcheck import check_model
from minicap.nn import (
    GRU,
    LSTM,
    RNN,
    Affine,
    AvgPool2d,
    BatchNorm,
    BatchNorm2d,
    Classifier,
    Conv2d,
    Dropout,
    Embedding,
    GlobalAvgPool,
    LayerNorm,
    MaxPool2d,
    Module,
    ReLU,
    Sequential,
    Sigmoid,
    Tanh,
)


def images(rng):
    return rng.normal(size=(3, 2, 8, 8))


def rows(rng):
    return rng.normal(size=(4, 6))


def words(rng):
    return rng.integers(0, 7, size=(3, 5))


NETS = {
    "convolutional": (
        images,
        lambda: Sequential(
            Conv2d(2, 4, 3, pad=1),
            BatchNorm2d(4),
            ReLU(),
            MaxPool2d(2),
            Conv2d(4, 4, 3, stride=1, pad="same", groups=2),
            Tanh(),
            AvgPool2d(2),
            Conv2d(4, 3, 1),
            GlobalAvgPool(),
        ),
    ),
    "strided and dilated": (
        images,
        lambda: Sequential(
            Conv2d(2, 3, 3, stride=2, pad=1), Tanh(), Conv2d(3, 3, 2, dilation=2), Affine(12, 3)
        ),
    ),
    "dense": (
        rows,
        lambda: Sequential(Affine(6, 5), BatchNorm(5), Sigmoid(), Dropout(0.3), LayerNorm(5), Affine(5, 3)),
    ),
    "rnn": (words, lambda: Sequential(Embedding(7, 4), RNN(4, 3), Affine(15, 3))),
    "relu rnn": (words, lambda: Sequential(Embedding(7, 4), RNN(4, 3, "relu"), Affine(15, 3))),
    "lstm": (words, lambda: Sequential(Embedding(7, 4), LSTM(4, 3), Affine(15, 3))),
    "gru": (words, lambda: Sequential(Embedding(7, 4), GRU(4, 3), Affine(15, 3))),
    "gru, reset before": (words, lambda: Sequential(Embedding(7, 4), GRU(4, 3, False), Affine(15, 3))),
}


@pytest.mark.parametrize("name", NETS)
def test_gradients_of_the_parameters(name, rng):
    make_input, make_net = NETS[name]
    x = make_input(rng)
    model = Classifier(make_net()).initialize(1, np.float64)
    batch = {"x": x, "y": rng.integers(0, 3, size=len(x))}
    report = check_model(lambda: model.loss(batch, rng=RandomStream(3)), model.params, name=name)
    assert len(report) == len(model.params)
    assert report.passed, str(report)


@pytest.mark.parametrize("name", [name for name in NETS if NETS[name][0] is not words])
def test_gradients_of_the_input(name, rng):
    make_input, make_net = NETS[name]
    x, net = make_input(rng), make_net().initialize(1, np.float64)
    out, _ = net.forward(x, train=True, rng=RandomStream(3))
    dout = rng.normal(size=out.shape)

    def loss():
        out, cache = net.forward(x, train=True, rng=RandomStream(3))
        return (out * dout).sum(), {"x": net.backward(dout, cache)[0]}

    assert check_model(loss, {"x": x}, name=name).passed


def test_every_public_module_is_checked():
    public = {kind for kind in vars(nn).values() if inspect.isclass(kind) and issubclass(kind, Module)}
    made = {type(module) for _, make in NETS.values() for module in make().modules()}
    assert public - made == {Module, Classifier, nn.Recurrent}
