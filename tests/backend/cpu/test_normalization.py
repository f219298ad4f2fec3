import numpy as np
import pytest

from minicap.backend import textbook
from minicap.backend.cpu import normalization
from minicap.backend.cpu.memory import is_hwnc
from minicap.layers import spatial_batchnorm_backward, spatial_batchnorm_forward


def over_hwnc(images):
    return np.ascontiguousarray(images.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)


def arguments(rng, shape, offset=0.0):
    C = shape[1]
    x = over_hwnc(offset + rng.normal(size=shape)).astype(np.float32, order="K")
    gamma, beta = rng.normal(size=(2, C)).astype(np.float32)
    return x, gamma, beta, np.zeros(C, np.float32), np.ones(C, np.float32)


def everything(x, *parameters):
    out, cache = spatial_batchnorm_forward(x, *parameters)
    dout = np.random.default_rng(5).normal(size=x.shape).astype(x.dtype)
    return out, *spatial_batchnorm_backward(dout, cache), cache.running_mean, cache.running_var


@pytest.mark.parametrize("shape", [(77, 13, 3, 11), (16, 12, 30, 40)])
@pytest.mark.parametrize("offset", [0, 10, 1000])
def test_float32_is_at_least_as_accurate_as_the_textbook(rng, shape, offset):
    given = arguments(rng, shape, offset)
    fast = everything(*given)
    with textbook():
        slow = everything(*given)
        exact = everything(*(array.astype(np.float64) for array in given))
    for ours, theirs, true in zip(fast, slow, exact, strict=True):
        error, textbook_error = (abs(got - true).max() / abs(true).max() for got in (ours, theirs))
        assert error <= max(textbook_error, 2e-7)


def test_images_over_hwnc_memory_are_done_fast_and_stay_there(rng):
    x, *parameters = arguments(rng, (64, 3, 16, 12))
    out, cache = spatial_batchnorm_forward(x, *parameters)
    assert isinstance(cache, normalization.BatchnormCache)
    assert is_hwnc(out)
    dx, _, _ = spatial_batchnorm_backward(np.ascontiguousarray(out), cache)
    assert is_hwnc(dx)


def test_a_channel_without_variance_gives_beta_and_no_gradient(rng):
    x, gamma, beta, mean, var = arguments(rng, (64, 3, 16, 12))
    x[:, 1] = 0.7
    out, cache = spatial_batchnorm_forward(x, gamma, beta, mean, var)
    assert isinstance(cache, normalization.BatchnormCache)
    np.testing.assert_allclose(out[:, 1], beta[1], rtol=1e-5)
    dx, _, _ = spatial_batchnorm_backward(np.ones_like(x), cache)
    np.testing.assert_allclose(dx[:, 1], 0, atol=1e-4)
