import weakref
from zlib import crc32

import numpy as np
import pytest

from minicap.arrays.dispatch import textbook
from minicap.arrays.random import RandomStream
from minicap.errors import InputError, ShapeError
from minicap.layers import (
    affine_backward,
    affine_forward,
    conv_backward,
    conv_forward,
    dropout_backward,
    dropout_forward,
    max_pool_backward,
    max_pool_forward,
    relu_backward,
    relu_forward,
)
from minicap.nn import (
    Affine,
    BatchNorm2d,
    Branches,
    Conv2d,
    Dropout,
    MaxPool2d,
    Module,
    ReLU,
    Residual,
    Sequential,
    Supervised,
)


def test_positional_modules_are_numbered_by_their_kind():
    net = Sequential(Conv2d(1, 2), ReLU(), Conv2d(2, 2), ReLU(), MaxPool2d(), Affine(8, 2))
    assert list(net.children) == ["conv1", "relu1", "conv2", "relu2", "pool1", "affine1"]


def test_keyword_modules_keep_their_names():
    net = Sequential(Affine(2, 3), act=ReLU(), out=Affine(3, 2))
    assert list(net.children) == ["affine1", "act", "out"]
    assert list(net.initialize().params) == ["affine1.w", "affine1.b", "out.w", "out.b"]


@pytest.mark.parametrize("name", ["affine1", "forward", "params"])
def test_a_name_that_is_taken_is_refused(name):
    with pytest.raises(InputError, match=f"the name '{name}' is taken"):
        Sequential(Affine(2, 3), **{name: ReLU()})


@pytest.mark.parametrize(
    "wrong", [[ReLU(), ReLU()], ReLU, np.tanh, None], ids=["list", "class", "function", "none"]
)
def test_what_is_no_module_is_refused_and_not_left_out(wrong):
    with pytest.raises(InputError, match="is not a module"):
        Sequential(Affine(2, 3), wrong)
    with pytest.raises(InputError, match="is not a module"):
        Sequential(Affine(2, 3), last=wrong)


def test_an_empty_stack_is_the_identity(rng):
    x = rng.normal(size=(2, 3))
    out, cache = Sequential().forward(x, train=False)
    assert out is x
    assert Sequential().backward(x, cache) == (x, {})


def test_a_call_gives_the_outputs_of_forward(rng):
    net = Sequential(Conv2d(2, 3, 3, pad=1), ReLU(), Sequential(MaxPool2d(), Dropout(0.4)), Affine(12, 5))
    net.initialize(0, np.float64)
    x = rng.normal(size=(4, 2, 4, 4))
    np.testing.assert_array_equal(net(x), net.forward(x, train=False)[0])


def test_a_call_uses_a_forward_that_somebody_wrote(rng):
    class Doubled(Sequential):
        def forward(self, x, train, rng=None):
            out, cache = super().forward(x, train, rng)
            return 2 * out, cache

    x = rng.normal(size=(2, 3))
    np.testing.assert_array_equal(Doubled(ReLU())(x), 2 * np.maximum(x, 0))


def test_a_call_drops_the_cache_of_a_layer_before_the_next_one_runs(rng):
    caches = []

    class Layer(Module):
        def forward(self, x, train, rng=None):
            assert not any(cache() is not None for cache in caches)
            cache = x + 1
            caches.append(weakref.ref(cache))
            return x + 2, cache

    Sequential(Layer(), Sequential(Layer(), Layer()), Layer())(rng.normal(size=(2, 3)))
    assert len(caches) == 4


def test_relu_and_pooling_run_as_one_pair_with_the_same_gradients(rng):
    net, x, dout = (
        Sequential(ReLU(), MaxPool2d()),
        rng.normal(size=(2, 3, 4, 6)),
        rng.normal(size=(2, 3, 2, 3)),
    )
    out, caches = net.forward(x, train=False)
    with textbook():
        expected, one_by_one = net.forward(x, train=False)
    assert (len(caches), len(one_by_one)) == (1, 2)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(net.backward(dout, caches)[0], net.backward(dout, one_by_one)[0])


def test_gradients_equal_those_of_the_layer_functions_composed_by_hand(rng):
    net = Sequential(Conv2d(2, 3, 3, pad=1), ReLU(), MaxPool2d(), Dropout(0.4), Affine(12, 5))
    net.initialize(0, np.float64)
    p = net.params
    x, dout, stream = rng.normal(size=(4, 2, 4, 4)), rng.normal(size=(4, 5)), RandomStream(8)

    a, conv_cache = conv_forward(x, p["conv1.w"], p["conv1.b"], pad=1)
    r, relu_cache = relu_forward(a)
    m, pool_cache = max_pool_forward(r)
    d, dropout_cache = dropout_forward(m, 0.4, rng=stream.child(crc32(b"dropout1")))
    expected, affine_cache = affine_forward(d, p["affine1.w"], p["affine1.b"])
    dd, daffine_w, daffine_b = affine_backward(dout, affine_cache)
    dr = max_pool_backward(dropout_backward(dd, dropout_cache), pool_cache)
    dx, dconv_w, dconv_b = conv_backward(relu_backward(dr, relu_cache), conv_cache)

    out, cache = net.forward(x, train=True, rng=stream)
    din, grads = net.backward(dout, cache)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(din, dx)
    by_hand = {"conv1.w": dconv_w, "conv1.b": dconv_b, "affine1.w": daffine_w, "affine1.b": daffine_b}
    assert set(grads) == set(by_hand)
    for name, grad in by_hand.items():
        np.testing.assert_array_equal(grads[name], grad)


def test_two_dropout_layers_of_a_stack_draw_different_bits():
    net = Sequential(Dropout(0.5), Dropout(0.5))
    _, ((_, first), (_, second)) = net.forward(np.ones((8, 100)), train=True, rng=RandomStream(0))
    assert (first.keep != second.keep).any()


def test_dropout_in_training_needs_a_stream():
    with pytest.raises(InputError, match="rng is missing"):
        Sequential(Dropout(0.5)).forward(np.ones((2, 3)), train=True)


@pytest.mark.parametrize(
    "net",
    [
        Sequential(),
        Sequential(ReLU(), Affine(6, 5)),
        Sequential(Sequential(Affine(6, 4), ReLU()), Affine(4, 5)),
        Sequential(Conv2d(6, 5, 1)),
    ],
    ids=lambda net: " ".join(net.children) or "empty",
)
def test_the_gradients_of_the_parameters_alone_are_those_of_the_backward(rng, net):
    net.initialize(0, np.float64)
    x = rng.normal(size=(4, 6, 3, 3) if "conv1" in net.children else (4, 6))
    out, cache = net.forward(x, train=False)
    dout = rng.normal(size=out.shape)
    _, expected = net.backward(dout, cache)
    dx, grads = net.backward(dout, cache, input_gradient=False)
    assert dx is None
    assert set(grads) == set(expected) == set(net.params)
    for name, grad in expected.items():
        np.testing.assert_array_equal(grads[name], grad)


def test_a_residual_adds_what_goes_past_it(rng):
    x, dout = rng.normal(size=(2, 4, 3))
    body, shortcut = Affine(3, 3).initialize(1, np.float64), Affine(3, 3).initialize(2, np.float64)
    np.testing.assert_allclose(Residual(body)(x), body(x) + x)
    net = Residual(body, shortcut)
    out, cache = net.forward(x, train=True)
    np.testing.assert_allclose(out, body(x) + shortcut(x))
    np.testing.assert_array_equal(out, net(x))
    dx, grads = net.backward(dout, cache)
    np.testing.assert_allclose(dx, dout @ (body["w"] + shortcut["w"]).T)
    np.testing.assert_allclose(grads["body.w"], grads["shortcut.w"])
    np.testing.assert_allclose(grads["body.w"], x.T @ dout)


def test_branches_are_concatenated_along_the_channels(rng):
    x = rng.normal(size=(2, 3, 4, 5))
    net = Branches(Conv2d(3, 2, 1), ReLU(), pooled=MaxPool2d(3, 1, pad=1)).initialize(0, np.float64)
    out, _ = net.forward(x, train=True)
    assert out.shape == (2, 2 + 3 + 3, 4, 5)
    np.testing.assert_array_equal(out[:, 2:5], np.maximum(x, 0))
    np.testing.assert_array_equal(out[:, :2], net.conv1(x))
    np.testing.assert_array_equal(out, net(x))
    assert list(net.children) == ["conv1", "relu1", "pooled"]


def test_one_branch_alone_is_refused():
    with pytest.raises(InputError, match="two or more modules"):
        Branches(ReLU())


@pytest.mark.parametrize("wrap", [Residual, lambda m: Branches(m, ReLU()), Supervised, Sequential])
def test_training_reaches_the_modules_inside(wrap, rng):
    norm = BatchNorm2d(3)
    net = wrap(Sequential(norm=norm)).initialize(0, np.float64)
    net.forward(rng.normal(loc=4, size=(5, 3, 2, 2)), train=True)
    assert (norm.buffers["running_mean"] > 0.3).all()
    before = norm.buffers["running_mean"]
    net(rng.normal(size=(5, 3, 2, 2)))
    np.testing.assert_array_equal(norm.buffers["running_mean"], before)


def test_a_step_of_a_sequential_is_a_module_or_a_faster_pair_for_several(rng):
    net = Sequential(Conv2d(2, 3, 3, pad=1), ReLU(), MaxPool2d(), Affine(12, 5)).initialize(0, np.float64)
    _, done = net.forward(rng.normal(size=(4, 2, 4, 4)), train=True)
    assert [step.name for step, _ in done] == ["conv1", "relu1", "affine1"]
    with textbook():
        _, done = net.forward(rng.normal(size=(4, 2, 4, 4)), train=True)
    assert [step.name for step, _ in done] == ["conv1", "relu1", "pool1", "affine1"]


@pytest.mark.parametrize("width", [1, 2])
def test_a_residual_broadcasts_nothing(width):
    block = Residual(Affine(3, width)).initialize()
    x = np.ones((2, 3), np.float32)
    for call in (block, lambda x: block.forward(x, train=True)):
        with pytest.raises(ShapeError, match=rf"the body gives \(2, {width}\) but the shortcut \(2, 3\)"):
            call(x)
