import numpy as np
import pytest

from benchmarks import im2col
from minicap.layers import max_pool_backward, max_pool_forward, softmax_loss
from minicap.layers.conv import conv_backward, conv_forward


@pytest.mark.parametrize(("size", "stride", "pad"), [(3, 1, 1), (5, 1, 2), (3, 2, 1), (1, 1, 0), (3, 3, 0)])
def test_the_floor_convolves_as_minicap_does(rng, size, stride, pad):
    x, w, b = rng.normal(size=(2, 3, 8, 10)), rng.normal(size=(4, 3, size, size)), rng.normal(size=4)
    out, cache = im2col.conv_forward(x, w, b, stride, pad)
    expected, our_cache = conv_forward(x, w, b, stride, pad)
    np.testing.assert_allclose(out, expected, atol=1e-12)
    dout = rng.normal(size=out.shape)
    for theirs, ours in zip(im2col.conv_backward(dout, cache), conv_backward(dout, our_cache), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-11)


def test_the_floor_pools_as_minicap_does(rng):
    x = rng.normal(size=(2, 3, 6, 8))
    out, cache = im2col.pool_forward(x, 2)
    expected, our_cache = max_pool_forward(x)
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(im2col.pool_backward(out, cache), max_pool_backward(expected, our_cache))


def test_the_floor_has_the_softmax_loss(rng):
    scores, y = rng.normal(size=(5, 4)), rng.integers(4, size=5)
    for theirs, ours in zip(im2col.softmax_loss(scores, y), softmax_loss(scores, y), strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-6)
