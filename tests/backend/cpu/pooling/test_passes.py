from itertools import product

import numpy as np
import pytest

from minicap.arrays import textbook
from minicap.backend.cpu import threads
from minicap.backend.cpu.order import is_hwnc
from minicap.backend.cpu.pooling import passes
from minicap.backend.cpu.pooling.max_pool import MaxPoolCache
from minicap.errors import MinicapError
from minicap.layers import (
    avg_pool_backward,
    avg_pool_forward,
    global_avg_pool_backward,
    global_avg_pool_forward,
    max_pool_backward,
    max_pool_forward,
)

PAIRS = [(max_pool_forward, max_pool_backward), (avg_pool_forward, avg_pool_backward)]
WINDOWS = [
    (size, stride, pad, ceil_mode)
    for size, stride, pad, ceil_mode in product((1, 2, 3, 5), (1, 2, 3, 6), (0, 1), (False, True))
    if 2 * pad <= size
]


def over_hwnc(images):
    return np.ascontiguousarray(images.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)


@pytest.mark.parametrize("order", [over_hwnc, np.ascontiguousarray])
@pytest.mark.parametrize(("block_bytes", "least_products"), [(1, 1 << 22), (3000, 1)], ids=["", "on threads"])
@pytest.mark.parametrize("pair", PAIRS, ids=["max", "avg"])
def test_a_batch_in_many_blocks_is_the_batch_in_one_piece(
    rng, monkeypatch, pair, block_bytes, least_products, order
):
    forward, backward = pair
    monkeypatch.setattr(threads, "LEAST_PRODUCTS", least_products)
    monkeypatch.setattr(passes, "BLOCK_BYTES", block_bytes)
    x = order(rng.integers(-2, 4, (3, 2, 11, 9)) * 1.0)
    for options in WINDOWS:
        out, cache = forward(x, *options)
        with textbook():
            expected, textbook_cache = forward(x, *options)
        np.testing.assert_allclose(out, expected, rtol=1e-14)
        dout = rng.integers(-9, 9, out.shape) * 1.0
        dx = backward(dout, cache)
        np.testing.assert_allclose(dx, backward(dout, textbook_cache), rtol=1e-13, atol=1e-13)


def test_among_equal_entries_the_first_in_reading_order_wins():
    x = np.array([[0.0, 5.0], [5.0, 0.0]]).reshape(1, 1, 2, 2)
    _, cache = max_pool_forward(x)
    assert isinstance(cache, MaxPoolCache)
    np.testing.assert_array_equal(max_pool_backward(np.ones((1, 1, 1, 1)), cache)[0, 0], [[0, 1], [0, 0]])


@pytest.mark.parametrize("pair", [*PAIRS, (global_avg_pool_forward, global_avg_pool_backward)])
def test_the_memory_order_of_the_images_is_kept(rng, pair):
    forward, backward = pair
    plain = rng.normal(size=(2, 3, 4, 6))
    for x in (over_hwnc(plain), plain):
        out, cache = forward(x)
        dx = backward(rng.normal(size=out.shape), cache)
        assert dx.shape == x.shape
        assert is_hwnc(dx) == is_hwnc(x)
        assert out.ndim == 2 or is_hwnc(out) == is_hwnc(x)


@pytest.mark.parametrize("options", [dict(size=9), dict(size=2, pad=2), dict(stride=0), dict(size="big")])
def test_what_is_wrong_is_said_as_in_the_textbook(rng, options):
    x = rng.normal(size=(1, 1, 4, 4))
    with pytest.raises(MinicapError) as fast:
        max_pool_forward(x, **options)
    with textbook(), pytest.raises(MinicapError) as slow:
        max_pool_forward(x, **options)
    assert str(fast.value) == str(slow.value)


@pytest.mark.parametrize("pair", PAIRS, ids=["max", "avg"])
def test_a_gradient_of_another_shape_is_refused(rng, pair):
    forward, backward = pair
    _, cache = forward(rng.normal(size=(2, 1, 4, 4)))
    with pytest.raises(MinicapError, match=r"dout is \(1, 1, 2, 2\) but the forward's output is"):
        backward(np.ones((1, 1, 2, 2)), cache)
