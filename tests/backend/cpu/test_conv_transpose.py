import tracemalloc

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from minicap.backend.cpu.conv import columns as columns_module
from minicap.backend.cpu.conv.transpose import ConvTransposeCache, supports
from minicap.errors import ShapeError
from minicap.layers.conv_transpose import conv_transpose_backward, conv_transpose_forward

N, C, F, SIDE = 32, 16, 8, 16
OPTIONS = dict(stride=2, pad=1)


@pytest.fixture
def arrays(rng):
    return [rng.normal(size=shape).astype(np.float32) for shape in ((N, C, SIDE, SIDE), (C, F, 4, 4), (F,))]


def test_a_batch_of_images_takes_the_faster_pair(arrays):
    _, cache = conv_transpose_forward(*arrays, **OPTIONS)
    assert type(cache) is ConvTransposeCache


def test_few_pixels_and_what_does_not_fit_are_left_to_the_textbook(arrays):
    x, w, b = arrays
    assert supports(x, w, b, **OPTIONS)
    assert not supports(x[:1, :, :1, :1], w[:, :1, :1, :1], None)
    assert not supports(x, w[1:], b)
    assert not supports(x, w, b[1:])
    assert not supports(x, w, b, groups=3)
    assert not supports(x, w, b, stride=0)
    assert not supports(x, w.astype(np.float64), b)
    assert not supports([[1]], w, b)


def test_memory_does_not_grow_with_the_columns_of_the_batch(arrays, rng):
    x, (_, w, b) = rng.normal(size=(512, C, SIDE, SIDE)).astype(np.float32), arrays
    columns = w[0].size * len(x) * SIDE**2 * x.itemsize
    tracemalloc.start()
    try:
        with threadpool_limits(1, "blas"):  # every thread has blocks of its own
            out, cache = conv_transpose_forward(x, w, b, **OPTIONS)
            conv_transpose_backward(out, cache)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    blocks = 2 * columns_module.BLOCK_BYTES  # of columns, and of the pixels that they come from
    assert peak < out.nbytes + x.nbytes + blocks + (4 << 20) < columns


def test_a_wrong_upstream_gradient_is_named_as_the_textbook_does(arrays):
    out, cache = conv_transpose_forward(*arrays, **OPTIONS)
    with pytest.raises(ShapeError, match="conv_transpose_backward: dout"):
        conv_transpose_backward(out[:, 1:], cache)
