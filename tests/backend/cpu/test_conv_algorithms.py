"""What the algorithms share: blocks, memory, threads.  That each is right is tested with all overrides."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from minicap.arrays import textbook
from minicap.backend.cpu import threads
from minicap.backend.cpu.conv import columns, depthwise, few_channels, pointwise, winograd
from minicap.backend.cpu.conv.override import FastConvCache
from minicap.backend.cpu.order import empty_images, is_hwnc
from minicap.errors import BackendMismatch, ShapeError
from minicap.layers.conv import conv_backward, conv_forward

# algorithm: channels, filters, size, groups, options; each at least two pixels wide at its stride
CALLS = {
    winograd: (16, 12, 3, 1, dict(pad=1)),
    pointwise: (12, 20, 1, 1, dict(stride=(1, 2))),
    few_channels: (3, 12, 5, 1, dict(stride=(2, 3), pad=(2, 1), dilation=(1, 2))),
    depthwise: (8, 16, 3, 8, dict(stride=(1, 2), pad=1)),
    columns: (20, 12, 3, 2, dict(stride=2, pad=1)),
}
BLOCKS = {winograd: 100_000, pointwise: 5000, few_channels: 20_000, depthwise: 1000, columns: 10_000}
each = pytest.mark.parametrize("algorithm", CALLS, ids=lambda module: module.__name__.rpartition(".")[2])


@pytest.fixture(autouse=True)
def nothing_is_measured(monkeypatch):
    monkeypatch.setenv("MINICAP_AUTOTUNE", "0")


def arrays(rng, algorithm, dtype=np.float64, N=6, side=23):
    C, F, size, groups, options = CALLS[algorithm]
    x = empty_images((N, C, side, side + 2), dtype)
    x[...] = rng.normal(size=x.shape)
    w = rng.normal(size=(F, C // groups, size, size)).astype(dtype)
    return (x, w, rng.normal(size=F).astype(dtype)), options | dict(groups=groups)


def both(arrays, options):
    out, cache = conv_forward(*arrays, **options)
    assert isinstance(cache, FastConvCache)
    dout = np.random.default_rng(1).normal(size=out.shape).astype(out.dtype)
    return out, *conv_backward(dout, cache)


@each
def test_small_blocks_give_the_same(algorithm, rng, monkeypatch):
    args = arrays(rng, algorithm)
    with textbook():
        out, cache = conv_forward(*args[0], **args[1])
        expected = out, *conv_backward(np.random.default_rng(1).normal(size=out.shape), cache)
    monkeypatch.setattr(algorithm, "BLOCK_BYTES", BLOCKS[algorithm])
    for least in ("FEWEST_POSITIONS", "FEWEST_ROWS"):
        monkeypatch.setattr(algorithm, least, 32, raising=False)
    for got, want in zip(both(*args), expected, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=1e-12 * max(1, abs(want).max()))


@each
def test_images_come_back_over_hwnc_memory(algorithm, rng):
    out, dx, *_ = both(*arrays(rng, algorithm))
    assert is_hwnc(out)
    assert is_hwnc(dx)


@each
def test_nothing_is_kept_but_the_arguments(algorithm, rng):
    (x, w, b), options = arrays(rng, algorithm)
    cache = conv_forward(x, w, b, **options)[1]
    assert [value for value in cache if isinstance(value, np.ndarray)] == [x, w] or (
        cache.x is x and cache.w is w and sum(isinstance(v, np.ndarray) for v in cache) == 2
    )


@each
def test_memory_does_not_grow_with_the_columns_of_the_batch(algorithm, rng):
    (x, w, b), options = arrays(rng, algorithm, np.float32, N=64)
    out, cache = conv_forward(x, w, b, **options)
    tracemalloc.start()
    try:
        conv_forward(x, w, b, **options)
        forward = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        conv_backward(out, cache)
        backward = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    temporaries = 10 << 20
    assert forward < out.nbytes + 2 * x.nbytes + temporaries
    assert backward < 4 * x.nbytes + temporaries


@each
def test_threads_do_not_disturb_each_other(algorithm, rng):
    calls = [arrays(np.random.default_rng(seed), algorithm, np.float32) for seed in (1, 2)]
    alone = [both(*call) for call in calls]
    with ThreadPoolExecutor(2) as threads:
        for _ in range(5):
            together = list(threads.map(lambda call: both(*call), calls))
            for got, expected in zip(together, alone, strict=True):
                for ours, theirs in zip(got, expected, strict=True):
                    np.testing.assert_array_equal(ours, theirs)


@each
def test_a_wrong_upstream_gradient_is_named_as_the_textbook_does(algorithm, rng):
    args = arrays(rng, algorithm)
    out, cache = conv_forward(*args[0], **args[1])
    with pytest.raises(ShapeError, match=r"conv_backward: dout is .* but the forward's output is"):
        conv_backward(out[:, :, 1:], cache)
    with pytest.raises(BackendMismatch, match="dout is a list"):
        conv_backward(out.tolist(), cache)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_batch_over_threads_gives_the_same(algorithm, dtype, rng, monkeypatch):
    args = arrays(rng, algorithm, dtype, N=5)
    with threadpool_limits(1, user_api="blas"):
        alone = both(*args)
    monkeypatch.setattr(threads, "LEAST_PRODUCTS", 1)
    with threadpool_limits(3, user_api="blas"):
        before = threads.blas_threads()
        together = both(*args)
        assert threads.blas_threads() == before
    tolerance = 1e-12 if dtype == np.float64 else 1e-5
    for got, want in zip(together, alone, strict=True):
        np.testing.assert_allclose(got, want, rtol=0, atol=tolerance * max(1, abs(want).max()))
