"""What the cases of the overrides do not reach: other paths through the same code, and bits."""

from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import DEVICE
from strict_cupy import StrictArray

from minicap.arrays import Backend, textbook, to_device, to_host
from minicap.arrays.dispatch import find_override
from minicap.arrays.random import RandomStream, random_keep
from minicap.backend.gpu import affine, conv, small_conv
from minicap.layers import (
    additive_attention_backward,
    additive_attention_forward,
    affine_backward,
    affine_forward,
    affine_relu_dropout_backward,
    affine_relu_dropout_forward,
    conv_backward,
    conv_forward,
    conv_relu_forward,
    dropout_backward,
    dropout_forward,
    lstm_forward,
    relu_backward,
    relu_forward,
    rnn_forward,
)
from minicap.nn import Affine, Conv2d, Dropout, ReLU, Sequential
from minicap.nn.sandwiches import SandwichStep
from minicap.nn.summary import summarize


def close(ours: Any, theirs: Any) -> None:
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(to_host(one), other, rtol=0, atol=1e-12 * max(1, np.abs(other).max()))


@pytest.mark.parametrize("kept_bytes", [0, 1 << 20], ids=["made again", "kept"])
@pytest.mark.parametrize("column_bytes", [1, 30_000, 1 << 28], ids=["one by one", "some", "all at once"])
@pytest.mark.parametrize("channels_first", [False, True])
def test_a_convolution_in_pieces_is_the_same(
    column_bytes: int,
    kept_bytes: int,
    channels_first: bool,
    gpu: Backend,
    rng: np.random.Generator,
    monkeypatch,
):
    monkeypatch.setattr(small_conv, "MOST_PRODUCTS", 0)
    monkeypatch.setattr(conv, "_column_bytes", lambda like, entries: column_bytes)
    monkeypatch.setattr(conv, "KEPT_BYTES", kept_bytes)
    x, w, b = rng.normal(size=(5, 3, 7, 6)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
    if channels_first:
        x = np.ascontiguousarray(x.swapaxes(0, 1)).swapaxes(0, 1)
    dout = rng.normal(size=(5, 4, 4, 3))
    with textbook():
        expected, cache = conv_forward(x, w, b, stride=2, pad=1)
        gradients = conv_backward(dout, cache)
    out, cache = conv_forward(to_device(x), to_device(w), to_device(b), stride=2, pad=1)
    assert type(cache) is conv.ConvKernelCache
    close([out, *conv_backward(to_device(dout), cache)], [expected, *gradients])


@pytest.mark.parametrize(
    ("image", "filters", "override"),
    [
        ((256, 3, 32, 32), (32, 3, 3, 3), small_conv),
        ((256, 32, 32, 32), (32, 32, 3, 3), small_conv),
        ((256, 64, 16, 16), (64, 64, 3, 3), small_conv),
        ((8, 64, 7, 7), (256, 64, 3, 3), small_conv),
        ((32, 64, 224, 224), (64, 64, 3, 3), conv),
        ((32, 512, 7, 7), (512, 512, 3, 3), conv),
    ],
)
def test_columns_are_made_for_large_photos_and_many_filters_only(
    image: tuple[int, ...], filters: tuple[int, ...], override: Any, gpu: Backend
):
    x = StrictArray(np.broadcast_to(np.float32(0), image))
    w = to_device(np.zeros(filters, np.float32))
    found = find_override(conv_relu_forward, x, x, w, None, pad=1)
    assert found is override.conv_relu_forward


@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("small", [True, False])
def test_affine_relu_dropout_gives_the_bits_of_its_layers(
    rate: float, small: bool, gpu: Backend, rng: np.random.Generator, monkeypatch
):
    if not small:
        monkeypatch.setattr(affine, "SMALL_PRODUCT", 0)
    x, w, b, dout = (to_device(rng.normal(size=size)) for size in ((7, 4, 3), (12, 9), 9, (7, 9)))
    stream = RandomStream(2**63 + 5, 3)
    with textbook():
        a, _ = affine_forward(x, w, b)
        a, relu_cache = relu_forward(a)
        expected, dropout_cache = dropout_forward(a, rate, rng=stream)
        da = relu_backward(dropout_backward(dout, dropout_cache), relu_cache)
    out, cache = affine_relu_dropout_forward(x, w, b, rate, rng=stream)
    assert type(cache) is affine.AffineReluDropoutKernelCache
    np.testing.assert_array_equal(to_host(out) == 0, to_host(expected) == 0)
    np.testing.assert_allclose(to_host(out), to_host(expected), rtol=1e-13, atol=1e-13)
    _, _, db = affine_relu_dropout_backward(dout, cache)
    np.testing.assert_allclose(to_host(db), to_host(da.sum(axis=0)), rtol=0, atol=1e-13)


def test_bias_relu_and_dropout_in_one_kernel_give_the_bits_of_numpy(gpu: Backend, rng: np.random.Generator):
    product, b = rng.normal(size=(5, 37)).astype(np.float32), rng.normal(size=37).astype(np.float32)
    stream, out = RandomStream(11, 4), to_device(product)
    expected, _ = dropout_forward(np.maximum(product + b, 0), 0.4, rng=stream)
    affine.add_bias_relu_dropout(out, to_device(b), 0.4, stream)
    np.testing.assert_array_equal(to_host(out), expected)


def test_a_module_that_somebody_changed_is_run_as_it_is(gpu: Backend, rng: np.random.Generator):
    class Doubled(ReLU):
        def forward(self, x: Any, train: bool, rng: Any = None) -> tuple[Any, Any]:
            out, cache = super().forward(x, train, rng)
            return 2 * out, cache

    x = to_device(rng.normal(size=(3, 4)).astype(np.float32))
    plain = Sequential(affine=Affine(4, 5), relu=ReLU()).initialize()
    doubled = Sequential(affine=Affine(4, 5), relu=Doubled()).initialize()
    out, cache = plain.forward(x, train=False)
    assert type(cache[0][0]) is SandwichStep
    np.testing.assert_allclose(to_host(doubled.forward(x, train=False)[0]), 2 * to_host(out), rtol=1e-6)
    calls = summarize(plain, (3, 4))
    assert [row.name for row in calls] == ["affine", "relu"]


def test_a_sandwich_at_the_bottom_of_a_network_needs_no_gradient_of_its_input(
    gpu: Backend, rng: np.random.Generator
):
    net = Sequential(Conv2d(2, 3), ReLU(), Affine(12, 5), ReLU(), Dropout(0.5)).initialize(0, np.float64)
    x = to_device(rng.normal(size=(4, 2, 4, 4)))
    out, cache = net.forward(x, train=True, rng=RandomStream(2))
    dout = to_device(rng.normal(size=out.shape))
    dx, expected = net.backward(dout, cache)
    assert dx.shape == x.shape
    spared, grads = net.backward(dout, cache, input_gradient=False)
    assert spared is None
    assert list(expected) == ["affine1.w", "affine1.b", "conv1.w", "conv1.b"]
    for name, grad in expected.items():
        np.testing.assert_array_equal(to_host(grads[name]), to_host(grad))


@pytest.mark.parametrize("row", [0, 1, 7, 2**40])
@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 5, 7), (4, 16), (1, 1)])
def test_a_shard_drops_what_numpy_drops_bit_for_bit(row: int, shape: tuple[int, ...], gpu: Backend):
    stream = RandomStream(2**64 - 3, row)
    ones = to_device(np.ones(shape))
    out, cache = dropout_forward(ones, 0.4, rng=stream)
    keep = random_keep(stream, shape, 0.4)
    np.testing.assert_array_equal(to_host(out) != 0, keep)
    np.testing.assert_array_equal(to_host(dropout_backward(ones, cache)) != 0, keep)


def test_attention_without_a_gradient_of_its_weights(gpu: Backend, rng: np.random.Generator):
    arrays = [rng.normal(size=size) for size in ((2, 3, 4), (2, 5), (4, 6), (5, 6), 6, 6)]
    dcontext = rng.normal(size=(2, 4))
    with textbook():
        expected = additive_attention_backward(dcontext, None, additive_attention_forward(*arrays)[-1])
    _, _, cache = additive_attention_forward(*map(to_device, arrays))
    close(additive_attention_backward(to_device(dcontext), None, cache), expected)


def test_arguments_that_a_kernel_does_not_take_go_to_the_textbook_and_its_errors(
    gpu: Backend, rng: np.random.Generator
):
    x, h0, Wx, Wh, b = (
        to_device(rng.normal(size=size)) for size in ((2, 3, 5), (2, 4), (5, 16), (4, 16), 15)
    )
    with pytest.raises(ValueError, match="lstm_forward: b does not fit Wh"):
        lstm_forward(x, h0, Wx, Wh, b)
    with pytest.raises(ValueError, match=r"rate is 1\.5 but must lie in"):
        dropout_forward(x, 1.5, rng=0)
    with pytest.raises(ValueError, match="conv_forward: x has 3 axes"):
        conv_forward(x, Wx, None)


@pytest.mark.parametrize("small", [True, False])
@pytest.mark.parametrize(
    ("forward", "backward", "shapes"),
    [
        (conv_forward, conv_backward, ((2, 3, 5, 6), (4, 3, 3, 2), 4)),
        (affine_forward, affine_backward, ((2, 6), (6, 4), 4)),
    ],
)
def test_where_nobody_needs_the_gradient_of_the_input_it_is_left_out(
    forward: Any, backward: Any, shapes: Any, small: bool, gpu: Backend, rng: np.random.Generator, monkeypatch
):
    if not small:
        monkeypatch.setattr(small_conv, "MOST_PRODUCTS", 0)
    out, cache = forward(*(to_device(rng.normal(size=size)) for size in shapes))
    dout = to_device(rng.normal(size=out.shape))
    _, *expected = backward(dout, cache)
    dx, *gradients = backward(dout, cache, input_gradient=False)
    assert dx is None
    close(gradients, map(to_host, expected))


@pytest.mark.parametrize(("samples", "expected"), [(668, True), (669, False)])
def test_an_output_that_32_bits_cannot_count_goes_to_the_textbook(samples: int, expected: bool, gpu: Backend):
    x = StrictArray(np.broadcast_to(np.float32(0), (samples, 3, 224, 224)))
    w = to_device(np.zeros((64, 3, 3, 3), np.float32))  # 64 * 224 * 224 entries a sample
    found = find_override(conv_forward, x, x, w, None, pad=1)
    assert (found is not None) is expected


@pytest.mark.parametrize("at_once", [True, False])
def test_a_state_that_explodes_is_seen(at_once: bool, gpu: Backend, monkeypatch):
    monkeypatch.setattr(DEVICE, "cooperative", at_once)
    x, h0 = to_device(np.full((2, 3, 1), np.nan)), to_device(np.zeros((2, 4)))
    Wx, Wh, b = (to_device(np.ones(shape)) for shape in ((1, 4), (4, 4), (4,)))
    h, cache = rnn_forward(x, h0, Wx, Wh, b, activation="relu")
    assert (cache.barriers is not None) is at_once
    assert np.isnan(to_host(h)).all()


@pytest.mark.parametrize(
    ("memory", "entries", "expected"),
    [
        (1 << 34, 1 << 20, conv.KEPT_BYTES),  # not worth asking
        (1 << 34, 1 << 30, conv.COLUMN_BYTES),
        (1 << 30, 1 << 30, 1 << 27),  # a quarter of the half that is free
        (1 << 20, 1 << 30, conv.LEAST_COLUMN_BYTES),
    ],
)
def test_columns_take_a_quarter_of_the_free_memory_at_most(
    memory: int, entries: int, expected: int, gpu: Backend, monkeypatch
):
    monkeypatch.setattr(DEVICE, "memory", memory)
    assert conv._column_bytes(to_device(np.zeros(1, np.float32)), entries) == expected
