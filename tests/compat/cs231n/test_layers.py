"""The cells of CS231n's notebooks for fully connected and convolutional layers, run on minicap."""

import numpy as np
import pytest

from minicap import layers
from minicap.arrays import dispatch
from minicap.compat.cs231n.fast_layers import (
    conv_backward_fast,
    conv_forward_fast,
    conv_forward_im2col,
    conv_forward_strides,
    max_pool_backward_fast,
    max_pool_forward_fast,
)
from minicap.compat.cs231n.gradient_check import (
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    rel_error,
)
from minicap.compat.cs231n.layers import (
    affine_backward,
    affine_forward,
    batchnorm_backward,
    batchnorm_backward_alt,
    batchnorm_forward,
    conv_backward_naive,
    conv_forward_naive,
    dropout_backward,
    dropout_forward,
    layernorm_backward,
    layernorm_forward,
    max_pool_backward_naive,
    max_pool_forward_naive,
    relu_backward,
    relu_forward,
    softmax_loss,
    spatial_batchnorm_backward,
    spatial_batchnorm_forward,
    spatial_groupnorm_backward,
    spatial_groupnorm_forward,
    svm_loss,
)
from minicap.errors import InputError


def check_gradients(forward, backward, *arrays, seed=1):
    """The notebook's check: out, cache = forward(*arrays), and a numeric gradient for each array."""
    out, cache = forward(*arrays)
    dout = np.random.default_rng(seed).normal(size=out.shape)
    gradients = backward(dout, cache)
    gradients = gradients if isinstance(gradients, tuple) else (gradients,)
    assert len(gradients) == len(arrays)
    for array, gradient in zip(arrays, gradients, strict=True):
        numeric = eval_numerical_gradient_array(lambda _: forward(*arrays)[0], array, dout)
        assert gradient.shape == array.shape
        np.testing.assert_allclose(gradient, numeric, atol=1e-7 * max(1, np.abs(numeric).max()))


def test_affine(rng):
    x, w, b = rng.normal(size=(10, 2, 3)), rng.normal(size=(6, 5)), rng.normal(size=5)
    np.testing.assert_allclose(affine_forward(x, w, b)[0], x.reshape(10, 6) @ w + b)
    check_gradients(affine_forward, affine_backward, x, w, b)


def test_relu():
    x = np.linspace(-0.5, 0.5, num=12).reshape(3, 4)
    np.testing.assert_array_equal(relu_forward(x)[0], np.where(x > 0, x, 0))
    check_gradients(relu_forward, relu_backward, x)


def test_conv_by_hand_and_by_differences(rng):
    x, w, b = np.arange(16.0).reshape(1, 1, 4, 4), np.ones((1, 1, 2, 2)), np.array([0.5])
    out, _ = conv_forward_naive(x, w, b, {"stride": 2, "pad": 1})
    np.testing.assert_array_equal(out[0, 0], [[0.5, 3.5, 3.5], [12.5, 30.5, 18.5], [12.5, 27.5, 15.5]])
    conv_param = {"stride": 1, "pad": 1}
    x, w, b = rng.normal(size=(2, 3, 5, 4)), rng.normal(size=(2, 3, 3, 3)), rng.normal(size=2)
    check_gradients(lambda *a: conv_forward_naive(*a, conv_param), conv_backward_naive, x, w, b)


def test_max_pooling(rng):
    x = rng.permutation(2 * 3 * 4 * 6).reshape(2, 3, 4, 6) / 10
    pool_param = {"pool_width": 3, "pool_height": 2, "stride": 2}
    out, _ = max_pool_forward_naive(x, pool_param)
    assert out.shape == (2, 3, 2, 2)
    assert out[1, 2, 1, 0] == x[1, 2, 2:4, 0:3].max()
    check_gradients(lambda x: max_pool_forward_naive(x, pool_param), max_pool_backward_naive, x)


def test_fast_layers_equal_the_naive_ones(rng):
    x, w, b = rng.normal(size=(3, 3, 9, 8)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
    conv_param, pool_param = {"stride": 2, "pad": 1}, {"pool_height": 2, "pool_width": 2, "stride": 2}
    out, cache = conv_forward_naive(x, w, b, conv_param)
    out_fast, cache_fast = conv_forward_fast(x, w, b, conv_param)
    assert rel_error(out, out_fast) < 1e-8
    dout = rng.normal(size=out.shape)
    for slow, fast in zip(
        conv_backward_naive(dout, cache), conv_backward_fast(dout, cache_fast), strict=True
    ):
        np.testing.assert_allclose(slow, fast, rtol=1e-9, atol=1e-12)
    pooled, cache = max_pool_forward_naive(x, pool_param)
    pooled_fast, cache_fast = max_pool_forward_fast(x, pool_param)
    np.testing.assert_array_equal(pooled, pooled_fast)
    dout = rng.normal(size=pooled.shape)
    np.testing.assert_allclose(max_pool_backward_naive(dout, cache), max_pool_backward_fast(dout, cache_fast))
    for other in (conv_forward_im2col, conv_forward_strides):
        np.testing.assert_array_equal(other(x, w, b, conv_param)[0], out_fast)


@pytest.mark.parametrize(
    ("forward", "textbook_only"), [(conv_forward_naive, True), (conv_forward_fast, False)]
)
def test_only_the_naive_convolution_is_held_to_the_textbook(forward, textbook_only, monkeypatch):
    seen = []
    monkeypatch.setattr(layers, "conv_forward", lambda *_, **__: seen.append(dispatch._textbook_only.get()))
    forward(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), np.ones(1), {"stride": 1, "pad": 0})
    assert seen == [textbook_only]


def test_batchnorm_normalises_and_keeps_running_statistics_in_its_param(rng):
    bn_param = {"mode": "train"}
    gamma, beta = np.array([1.0, 2.0, 3.0]), np.array([11.0, 12.0, 13.0])
    for _ in range(60):
        x = 3 * rng.normal(size=(200, 3)) + 5
        out, _ = batchnorm_forward(x, gamma, beta, bn_param)
    np.testing.assert_allclose(out.mean(axis=0), beta)
    np.testing.assert_allclose(out.std(axis=0), gamma, rtol=1e-4)
    np.testing.assert_allclose(bn_param["running_mean"], 5, atol=0.4)
    np.testing.assert_allclose(bn_param["running_var"], 9, atol=1.2)
    bn_param["mode"] = "test"
    before = bn_param["running_mean"].copy()
    out, _ = batchnorm_forward(3 * rng.normal(size=(200, 3)) + 5, gamma, beta, bn_param)
    np.testing.assert_allclose(out.mean(axis=0), beta, atol=0.6)
    np.testing.assert_array_equal(bn_param["running_mean"], before)


def test_the_running_mean_starts_at_zero_and_moves_by_one_minus_the_momentum():
    bn_param = {"mode": "train", "momentum": 0.75}
    x = np.array([[1.0], [5.0]])
    batchnorm_forward(x, np.ones(1), np.zeros(1), bn_param)
    assert bn_param["running_mean"] == 0.25 * 3
    assert bn_param["running_var"] == 0.25 * 4


def test_batchnorm_gradients(rng):
    x, gamma, beta = 5 * rng.normal(size=(4, 5)) + 12, rng.normal(size=5), rng.normal(size=5)
    for backward in (batchnorm_backward, batchnorm_backward_alt):
        check_gradients(lambda *a: batchnorm_forward(*a, {"mode": "train"}), backward, x, gamma, beta)


def test_layernorm(rng):
    x, gamma, beta = 5 * rng.normal(size=(4, 5)) + 12, rng.normal(size=5), rng.normal(size=5)
    out, _ = layernorm_forward(x, np.full(5, 3.0), np.full(5, 5.0), {})
    np.testing.assert_allclose(out.mean(axis=1), 5)
    np.testing.assert_allclose(out.std(axis=1), 3, rtol=1e-4)
    check_gradients(lambda *a: layernorm_forward(*a, {"eps": 1e-3}), layernorm_backward, x, gamma, beta)


def test_spatial_batchnorm_takes_the_notebooks_integer_gamma(rng):
    x = 4 * rng.normal(size=(2, 3, 4, 5)) + 10
    gamma, beta = np.asarray([3, 4, 5]), np.asarray([6, 7, 8])
    bn_param = {"mode": "train"}
    out, _ = spatial_batchnorm_forward(x, gamma, beta, bn_param)
    np.testing.assert_allclose(out.mean(axis=(0, 2, 3)), beta)
    np.testing.assert_allclose(out.std(axis=(0, 2, 3)), gamma, rtol=1e-4)
    assert bn_param["running_mean"].shape == (3,)
    check_gradients(
        lambda *a: spatial_batchnorm_forward(*a, {"mode": "train"}),
        spatial_batchnorm_backward,
        x,
        gamma.astype(float),
        beta.astype(float),
    )


def test_spatial_groupnorm_has_gamma_with_four_axes(rng):
    x = 4 * rng.normal(size=(2, 6, 4, 5)) + 10
    out, _ = spatial_groupnorm_forward(x, np.ones((1, 6, 1, 1)), np.zeros((1, 6, 1, 1)), 2, {})
    groups = out.reshape(4, -1)
    np.testing.assert_allclose(groups.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(groups.std(axis=1), 1, rtol=1e-5)
    gamma, beta = rng.normal(size=(1, 6, 1, 1)), rng.normal(size=(1, 6, 1, 1))
    check_gradients(
        lambda *a: spatial_groupnorm_forward(*a, 2, {}), spatial_groupnorm_backward, x, gamma, beta
    )


@pytest.mark.parametrize("p", [0.25, 0.4, 0.7])
def test_dropout_keeps_a_share_of_p_and_the_mean(p, rng):
    x = rng.normal(size=(500, 500)) + 10
    out, _ = dropout_forward(x, {"mode": "train", "p": p, "seed": 3})
    assert (out != 0).mean() == pytest.approx(p, abs=0.005)
    assert out.mean() == pytest.approx(10, abs=0.1)
    np.testing.assert_array_equal(dropout_forward(x, {"mode": "test", "p": p})[0], x)


def test_dropout_gradient_under_a_seed(rng):
    dropout_param = {"mode": "train", "p": 0.2, "seed": 123}
    check_gradients(
        lambda x: dropout_forward(x, dropout_param), dropout_backward, rng.normal(size=(10, 10)) + 10
    )


def test_without_a_seed_dropout_follows_the_global_one():
    x, masks = np.ones((50, 50)), []
    for _ in range(2):
        np.random.seed(231)  # noqa: NPY002 - as the notebook does
        masks.append([dropout_forward(x, {"mode": "train", "p": 0.5})[0] for _ in range(2)])
    np.testing.assert_array_equal(masks[0], masks[1])
    assert (masks[0][0] != masks[0][1]).any()


def test_svm_and_softmax_losses(rng):
    x, y = 0.001 * rng.normal(size=(50, 10)), rng.integers(10, size=50)
    for loss_of, expected in ((svm_loss, 9), (softmax_loss, np.log(10))):
        loss, dx = loss_of(x, y)
        assert loss == pytest.approx(expected, rel=1e-2)
        numeric = eval_numerical_gradient(lambda _, loss_of=loss_of: loss_of(x, y)[0], x, verbose=False)
        np.testing.assert_allclose(dx, numeric, atol=1e-8)


def test_mixed_floats_are_promoted_as_numpy_does(rng):
    x, w, b = rng.normal(size=(2, 3)), rng.normal(size=(3, 4)).astype(np.float32), np.zeros(4, np.float32)
    assert affine_forward(x, w, b)[0].dtype == np.float64
    assert affine_forward(x.astype(np.float32), w, b)[0].dtype == np.float32


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: batchnorm_forward(x, x[0], x[0], {}), "bn_param has no entry 'mode'"),
        (lambda x: batchnorm_forward(x, x[0], x[0], {"mode": "eval"}), "is 'eval' but must be"),
        (lambda x: dropout_forward(x, {"mode": "train", "p": 0}), r"is 0.0 but must lie in \(0, 1\]"),
        (lambda x: dropout_forward(x, {"mode": "train"}), "dropout_param has no entry 'p' .it has 'mode'"),
        (lambda x: max_pool_forward_naive(x, {"stride": 2}), "pool_param has no entry 'pool_height'"),
        (lambda x: conv_forward_fast(x, x, x, {"pad": 2}), "conv_param has no entry 'stride'"),
    ],
)
def test_a_missing_or_wrong_option_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call(np.ones((2, 3)))
