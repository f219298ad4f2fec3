"""What the cases of the overrides do not reach: other paths through the same code, and bits."""

from typing import Any

import numpy as np
import pytest

from minicap.backend import Backend, textbook, to_device, to_host
from minicap.backend.gpu import conv, small_conv
from minicap.backend.random import RandomStream, random_keep
from minicap.layers import (
    additive_attention_backward,
    additive_attention_forward,
    affine_backward,
    affine_forward,
    conv_backward,
    conv_forward,
    dropout_backward,
    dropout_forward,
    lstm_forward,
)


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
    monkeypatch.setattr(small_conv, "SMALL_PRODUCT", 0)
    monkeypatch.setattr(conv, "COLUMN_BYTES", column_bytes)
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
        monkeypatch.setattr(small_conv, "SMALL_PRODUCT", 0)
    out, cache = forward(*(to_device(rng.normal(size=size)) for size in shapes))
    dout = to_device(rng.normal(size=out.shape))
    _, *expected = backward(dout, cache)
    dx, *gradients = backward(dout, cache, input_gradient=False)
    assert dx is None
    close(gradients, map(to_host, expected))
