import numpy as np
import pytest

from minicap.backend.cpu.normalization import rows
from minicap.backend.cpu.normalization.batchnorm import BatchnormCache
from minicap.layers import spatial_batchnorm_backward, spatial_batchnorm_forward


def over_hwnc(images):
    return np.ascontiguousarray(images.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)


def arguments(rng, shape, offset=0.0, lay=over_hwnc):
    C = shape[1]
    x = lay(offset + rng.normal(size=shape)).astype(np.float32, order="K")
    gamma, beta = rng.normal(size=(2, C)).astype(np.float32)
    return x, gamma, beta, np.zeros(C, np.float32), np.ones(C, np.float32)


def everything(x, *parameters, train=True):
    out, cache = spatial_batchnorm_forward(x, *parameters, train=train)
    dout = np.random.default_rng(5).normal(size=x.shape).astype(x.dtype)
    return out, *spatial_batchnorm_backward(dout, cache), cache.running_mean, cache.running_var


@pytest.mark.parametrize("lay", [over_hwnc, np.ascontiguousarray])
@pytest.mark.parametrize("shape", [(77, 13, 3, 11), (16, 12, 30, 40)])
@pytest.mark.parametrize("running_mean", [0, 10])
@pytest.mark.parametrize("offset", [0, 1, 3, 10, 1000])
def test_float32_is_as_accurate_as_the_textbook(rng, hold_against_textbook, shape, offset, running_mean, lay):
    def draw():
        x, gamma, beta, mean, var = arguments(rng, shape, offset, lay)
        return x, gamma, beta, mean + np.float32(running_mean), var

    # Near zero scale x + shift is rounded, not x - mean: terms up to 1 + sqrt(FAR) times as large.
    times = 1 + rows.FAR**0.5
    hold_against_textbook(everything, [draw() for _ in range(5)], times)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("piece", [1 << 9, 1 << 12])
@pytest.mark.parametrize("shape", [(3, 7, 40, 50), (5, 900, 3, 3)])
def test_images_larger_than_a_piece_are_cut_between_channels(rng, monkeypatch, shape, piece, train):
    given = arguments(rng, shape, lay=np.ascontiguousarray)
    whole = everything(*given, train=train)
    monkeypatch.setattr(rows, "PIECE", piece)
    for got, expected in zip(everything(*given, train=train), whole, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("lay", [over_hwnc, np.ascontiguousarray])
def test_every_order_of_images_is_done_fast_in_training_and_evaluation(rng, lay, train):
    x, *parameters = arguments(rng, (64, 3, 16, 12), lay=lay)
    out, cache = spatial_batchnorm_forward(x, *parameters, train=train)
    assert isinstance(cache.batchnorm, BatchnormCache)
    assert out.strides == x.strides
    dx, _, _ = spatial_batchnorm_backward(np.ascontiguousarray(out), cache)
    assert dx.strides == x.strides


def test_a_channel_without_variance_gives_beta_and_no_gradient(rng):
    x, gamma, beta, mean, var = arguments(rng, (64, 3, 16, 12))
    x[:, 1] = 0.7
    out, cache = spatial_batchnorm_forward(x, gamma, beta, mean, var)
    assert isinstance(cache.batchnorm, BatchnormCache)
    np.testing.assert_allclose(out[:, 1], beta[1], rtol=1e-5)
    dx, _, _ = spatial_batchnorm_backward(np.ones_like(x), cache)
    np.testing.assert_allclose(dx[:, 1], 0, atol=1e-4)
