"""Every module, alone and inside a small network, against central differences."""

import inspect

import numpy as np
import pytest

from minicap import nn
from minicap.arrays.random import RandomStream
from minicap.gradcheck import check_model
from minicap.layers import elu_backward, elu_forward
from minicap.nn import (
    GRU,
    LSTM,
    RNN,
    Affine,
    AvgPool2d,
    BatchNorm,
    BatchNorm2d,
    Branches,
    Conv2d,
    Dropout,
    Embedding,
    GlobalAvgPool,
    LayerNorm,
    MaxPool2d,
    Module,
    ReLU,
    Residual,
    Sequential,
    Sigmoid,
    Supervised,
    Tanh,
)

# Each module and the shape of an input that it reads.
MODULES: list[tuple[Module, tuple[int, ...]]] = [
    (ReLU(), (3, 4)),
    (nn.LeakyReLU(0.1), (3, 4)),
    (nn.ReLU6(), (3, 4)),
    (nn.ELU(0.7), (3, 4)),
    (nn.GELU(), (3, 4)),
    (nn.SiLU(), (3, 4)),
    (nn.GLU(), (3, 4)),
    (Sigmoid(), (3, 4)),
    (Tanh(), (3, 4)),
    (nn.Softmax(), (3, 4)),
    (nn.LogSoftmax(), (3, 4)),
    (Affine(6, 5), (4, 2, 3)),
    (nn.TemporalAffine(4, 5), (2, 3, 4)),
    (nn.Scale(0.3), (2, 3, 4)),
    (nn.ScaleShift(3), (2, 3, 4)),
    (nn.Flatten(), (2, 3, 4)),
    (Conv2d(4, 6, 3, stride=2, pad=1, groups=2), (2, 4, 5, 6)),
    (Conv2d(2, 3, 3, pad="same", dilation=2, bias=False), (2, 2, 5, 6)),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, pad=1, groups=2, output_pad=1), (2, 4, 3, 4)),
    (nn.ConvTranspose2d(2, 3, 2, bias=False), (2, 2, 3, 4)),
    (nn.Conv1d(4, 5, 3, dilation=2), (2, 6, 4)),
    (nn.PatchWhitening(2), (2, 2, 4, 5)),
    (Dropout(0.3), (4, 5)),
    (nn.SpatialDropout(0.3), (4, 5, 2, 3)),
    (nn.RecurrentDropout(0.3), (4, 2, 5)),
    (BatchNorm(5), (4, 5)),
    (BatchNorm2d(3), (4, 3, 2, 2)),
    (LayerNorm(5), (4, 2, 5)),
    (nn.GroupNorm(4, 2), (3, 4, 2, 3)),
    (nn.LRN(3), (2, 4, 2, 3)),
    (MaxPool2d(2), (2, 3, 4, 6)),
    (MaxPool2d(3, 2, pad=1, ceil_mode=True), (2, 3, 4, 6)),
    (AvgPool2d(2), (2, 3, 4, 6)),
    (AvgPool2d(3, 2, pad=1, count_include_pad=False), (2, 3, 4, 6)),
    (GlobalAvgPool(), (2, 3, 4, 6)),
    (nn.GlobalMaxPool(), (2, 3, 4, 6)),
    (RNN(4, 3), (2, 5, 4)),
    (RNN(4, 3, "relu"), (2, 5, 4)),
    (LSTM(4, 3), (2, 5, 4)),
    (GRU(4, 3), (2, 5, 4)),
    (nn.Bidirectional(4, 3), (2, 5, 4)),
    (nn.Bidirectional(4, 3, "gru", reset_after=False), (2, 5, 4)),
    (nn.Bidirectional(4, 3, "rnn", activation="tanh"), (2, 5, 4)),
    (GRU(4, 3, reset_after=False), (2, 5, 4)),
    (nn.Pair(elu_forward, elu_backward, alpha=0.3), (3, 4)),
    (Sequential(Affine(4, 3), Tanh()), (5, 4)),
    (Residual(Sequential(Affine(4, 4), Tanh())), (5, 4)),
    (Residual(Affine(4, 3), shortcut=Affine(4, 3)), (5, 4)),
    (Branches(Affine(4, 3), Tanh(), third=Sequential(Affine(4, 2), Sigmoid())), (5, 4)),
    (Supervised(Affine(4, 3)), (5, 4)),
]


# Checked in test_attention.py, and in test_every_pair.py.
OF_SEVERAL_ARRAYS = {
    nn.AdditiveAttention,
    nn.DotProductAttention,
    nn.MultiHeadAttention,
    nn.SoftAttention,
    nn.Split,
}
# Its scores have another shape in training, so it is checked in test_heads.py.
WITH_HEADS = {nn.WithHeads}


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
    "residual": (
        images,
        lambda: Sequential(
            conv=Conv2d(2, 4, 3, stride=2, pad=1),
            block=Residual(
                Sequential(Conv2d(4, 4, 3, pad=1, bias=False), BatchNorm2d(4), Tanh(), Dropout(0.2)),
                shortcut=Conv2d(4, 4, 1),
            ),
            sides=Branches(MaxPool2d(), Conv2d(4, 2, 2, stride=2)),
            fc=Affine(24, 3),
        ),
    ),
    "dense": (
        rows,
        lambda: Sequential(Affine(6, 5), BatchNorm(5), Sigmoid(), Dropout(0.3), LayerNorm(5), Affine(5, 3)),
    ),
    "rnn": (words, lambda: Sequential(Embedding(7, 4), RNN(4, 3), Affine(15, 3))),
    "lstm": (words, lambda: Sequential(Embedding(7, 4), LSTM(4, 3), Affine(15, 3))),
    "gru": (words, lambda: Sequential(Embedding(7, 4), GRU(4, 3), Affine(15, 3))),
}


def away_from_kinks(rng, shape):
    """Distinct numbers with a sign each, none within 0.1 of zero, of one another, or of ReLU6's 6."""
    size = int(np.prod(shape))
    return (rng.permutation(size) * 0.11 + 0.1).reshape(shape) * rng.choice([-1, 1], size=shape)


@pytest.mark.parametrize(("module", "shape"), MODULES, ids=lambda value: repr(value).partition("\n")[0])
def test_gradients_of_a_module(module, shape, rng):
    x = away_from_kinks(rng, shape) if not module.declared else rng.normal(size=shape)
    module.initialize(1, np.float64)
    for array in module.params.values():  # zero biases and unit scales would hide a mistake
        array += rng.normal(scale=0.1, size=array.shape) if array.ndim == 1 else 0
    dout = rng.normal(size=module.forward(x, train=True, rng=RandomStream(3))[0].shape)

    def loss():
        out, cache = module.forward(x, train=True, rng=RandomStream(3))
        dx, grads = module.backward(dout, cache)
        return (out * dout).sum(), grads | {"x": dx}

    report = check_model(loss, {**module.params, "x": x})
    assert len(report) == len(module.params) + 1
    assert report.passed, str(report)


@pytest.mark.parametrize(("module", "shape"), MODULES, ids=lambda value: repr(value).partition("\n")[0])
def test_the_gradients_of_the_parameters_alone_are_the_same(module, shape, rng):
    module.initialize(1, np.float64)
    out, cache = module.forward(rng.normal(size=shape), train=True, rng=RandomStream(3))
    dout = rng.normal(size=out.shape)
    dx, expected = module.backward(dout, cache)
    assert dx.shape == shape
    nothing, grads = module.backward(dout, cache, input_gradient=False)
    assert nothing is None
    assert set(grads) == set(module.params) == set(expected)
    for name, grad in expected.items():
        np.testing.assert_array_equal(grads[name], grad)


@pytest.mark.parametrize("name", NETS)
def test_gradients_of_the_parameters_of_a_network(name, rng):
    make_input, make_net = NETS[name]
    x = make_input(rng)
    model = Supervised(make_net()).initialize(1, np.float64)
    batch = {"x": x, "y": rng.integers(0, 3, size=len(x))}
    report = check_model(lambda: model.loss(batch, rng=RandomStream(3)), model.params, name=name)
    assert len(report) == len(model.params)
    assert report.passed, str(report)


@pytest.mark.parametrize("name", [name for name in NETS if NETS[name][0] is not words])
def test_gradients_of_the_input_of_a_network(name, rng):
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
    assert public - {type(module) for module, _ in MODULES} == {
        Module,
        nn.Recurrent,
        Embedding,
        *OF_SEVERAL_ARRAYS,
        *WITH_HEADS,
    }
