import numpy as np
import pytest

from minicap.errors import InputError, ShapeError
from minicap.layers import (
    affine_backward,
    affine_forward,
    affine_relu_dropout_backward,
    affine_relu_dropout_forward,
    conv_backward,
    conv_forward,
    conv_relu_backward,
    conv_relu_forward,
    dropout_backward,
    dropout_forward,
    max_pool_backward,
    max_pool_forward,
    relu_backward,
    relu_forward,
    relu_max_pool_backward,
    relu_max_pool_forward,
)


def equal(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def test_conv_relu_is_a_convolution_and_relu(rng):
    x, w, b = rng.normal(size=(2, 4, 5, 6)), rng.normal(size=(6, 2, 3, 3)), rng.normal(size=6)
    options = dict(stride=2, pad=1, groups=2)
    out, cache = conv_relu_forward(x, w, b, **options)
    a, conv_cache = conv_forward(x, w, b, **options)
    expected, relu_cache = relu_forward(a)
    dout = rng.normal(size=out.shape)
    equal([out], [expected])
    equal(conv_relu_backward(dout, cache), conv_backward(relu_backward(dout, relu_cache), conv_cache))


def test_conv_relu_without_a_bias_gives_no_gradient_of_it(rng):
    out, cache = conv_relu_forward(rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(5, 3, 2, 2)), None)
    *_, db = conv_relu_backward(np.ones_like(out), cache)
    assert db is None


def test_affine_relu_dropout_is_its_three_layers(rng):
    x, w, b = rng.normal(size=(5, 2, 3)), rng.normal(size=(6, 4)), rng.normal(size=4)
    out, cache = affine_relu_dropout_forward(x, w, b, rate=0.4, rng=7)
    a, affine_cache = affine_forward(x, w, b)
    a, relu_cache = relu_forward(a)
    expected, dropout_cache = dropout_forward(a, 0.4, rng=7)
    dout = rng.normal(size=out.shape)
    da = relu_backward(dropout_backward(dout, dropout_cache), relu_cache)
    equal([out], [expected])
    equal(affine_relu_dropout_backward(dout, cache), affine_backward(da, affine_cache))


@pytest.mark.parametrize("options", [{}, dict(rate=0.4, train=False)])
def test_without_dropout_an_affine_layer_and_relu_remain(options, rng):
    x, w, b = rng.normal(size=(5, 6)), rng.normal(size=(6, 4)), rng.normal(size=4)
    out, _ = affine_relu_dropout_forward(x, w, b, **options)
    equal([out], [np.maximum(x @ w + b, 0)])


def test_relu_max_pool_is_relu_and_pooling(rng):
    x, options = rng.normal(size=(2, 3, 7, 8)), dict(size=3, stride=2, pad=1, ceil_mode=True)
    out, cache = relu_max_pool_forward(x, **options)
    a, relu_cache = relu_forward(x)
    expected, pool_cache = max_pool_forward(a, **options)
    dout = rng.normal(size=out.shape)
    equal([out], [expected])
    equal(
        [relu_max_pool_backward(dout, cache)],
        [relu_backward(max_pool_backward(dout, pool_cache), relu_cache)],
    )


def test_the_gradient_of_the_input_is_left_out_where_nobody_needs_it(rng):
    _, cache = conv_relu_forward(rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(5, 3, 2, 2)), np.zeros(5))
    assert conv_relu_backward(np.ones((2, 5, 3, 3)), cache, input_gradient=False)[0] is None
    _, cache = affine_relu_dropout_forward(rng.normal(size=(2, 3)), rng.normal(size=(3, 4)), np.zeros(4))
    assert affine_relu_dropout_backward(np.ones((2, 4)), cache, input_gradient=False)[0] is None


def test_what_does_not_fit_is_said_by_the_layer_that_sees_it(rng):
    x, w = rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(5, 4, 2, 2))
    with pytest.raises(ShapeError, match="x has 3 channels but w expects 4"):
        conv_relu_forward(x, w, None)
    with pytest.raises(ShapeError, match="x has 48 features per row but w expects 7"):
        affine_relu_dropout_forward(x, rng.normal(size=(7, 4)), np.zeros(4))
    with pytest.raises(ShapeError, match="max_pool_forward"):
        relu_max_pool_forward(x, size=5)
    with pytest.raises(InputError, match=r"rate is 1\.5 but must lie in \[0, 1\)"):
        affine_relu_dropout_forward(x, rng.normal(size=(48, 4)), np.zeros(4), rate=1.5)
    with pytest.raises(InputError, match="rng is missing"):
        affine_relu_dropout_forward(x, rng.normal(size=(48, 4)), np.zeros(4), rate=0.5)
