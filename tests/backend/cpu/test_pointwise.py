import numpy as np
import pytest

from minicap.arrays import textbook
from minicap.arrays.random import RandomStream
from minicap.backend.cpu import affine, pointwise
from minicap.backend.cpu.order import is_hwnc
from minicap.errors import MinicapError
from minicap.layers import (
    affine_backward,
    affine_forward,
    dropout_backward,
    dropout_forward,
    relu_backward,
    relu_forward,
)

SHAPE = (12, 10, 16, 16)


@pytest.fixture
def plain(rng):
    return rng.normal(size=SHAPE).astype(np.float32)


@pytest.fixture
def hwnc(plain):
    return np.ascontiguousarray(plain.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)


def test_relu_and_dropout_keep_the_memory_order_of_x(plain, hwnc):
    for x, other in ((plain, hwnc), (hwnc, plain)):
        out, cache = relu_forward(x)
        assert isinstance(cache, pointwise.ReluCache)
        assert is_hwnc(out) == is_hwnc(relu_backward(other, cache)) == is_hwnc(x)
        out, cache = dropout_forward(x, 0.3, rng=1)
        assert isinstance(cache, pointwise.DropoutCache)
        assert is_hwnc(out) == is_hwnc(dropout_backward(other, cache)) == is_hwnc(x)


def test_relu_has_no_slope_at_zero_and_passes_nan_on(plain):
    plain[0, 0, 0, :3] = 0, -0.0, np.nan
    out, cache = relu_forward(plain)
    np.testing.assert_array_equal(out[0, 0, 0, :3], [0, 0, np.nan])
    np.testing.assert_array_equal(relu_backward(np.ones_like(plain), cache)[0, 0, 0, :3], 0)


def test_dropout_drops_the_same_entries_in_every_memory_order_and_on_shards(plain, hwnc):
    rng = RandomStream(3, row=5)
    with textbook():
        expected, _ = dropout_forward(plain, 0.25, rng=rng)
    for x in (plain, hwnc):
        np.testing.assert_allclose(dropout_forward(x, 0.25, rng=rng)[0], expected, rtol=1e-6)
    second, cache = dropout_forward(hwnc[4:].copy(order="K"), 0.25, rng=rng._replace(row=9))
    assert isinstance(cache, pointwise.DropoutCache)
    np.testing.assert_allclose(second, expected[4:], rtol=1e-6)


@pytest.mark.parametrize("options", [dict(rate=1.0, rng=1), dict(rate=0.5), dict(rate=0.5, rng="seed")])
def test_what_is_wrong_with_dropout_is_said_as_in_the_textbook(plain, options):
    with pytest.raises(MinicapError) as fast:
        dropout_forward(plain, **options)
    with textbook(), pytest.raises(MinicapError) as slow:
        dropout_forward(plain, **options)
    assert str(fast.value) == str(slow.value)


def test_the_gradient_of_flattened_images_lies_in_the_order_of_the_images(rng, plain, hwnc):
    w, b = rng.normal(size=(plain[0].size, 4)).astype(np.float32), np.zeros(4, np.float32)
    for x in (plain, hwnc):
        out, cache = affine_forward(x, w, b)
        assert isinstance(cache, affine.AffineCache)
        np.testing.assert_allclose(out, plain.reshape(len(plain), -1) @ w, rtol=1e-4, atol=1e-4)
        dx, _, _ = affine_backward(out, cache)
        assert is_hwnc(dx) == is_hwnc(x)


@pytest.mark.parametrize("shape", [SHAPE, (len(SHAPE), 7)])
def test_an_affine_layer_spares_the_gradient_of_its_input_on_request(rng, shape):
    x = rng.normal(size=shape)
    out, cache = affine_forward(x, rng.normal(size=(x[0].size, 4)), np.zeros(4))
    _, dw, db = affine_backward(out, cache)
    nothing, only_dw, only_db = affine_backward(out, cache, input_gradient=False)
    assert nothing is None
    np.testing.assert_array_equal(only_dw, dw)
    np.testing.assert_array_equal(only_db, db)
