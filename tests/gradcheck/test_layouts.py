"""A layer must not care how its arrays lie in memory, and one that does is found."""

import numpy as np
import pytest

from minicap.gradcheck import check_loss, check_pair
from minicap.gradcheck.layouts import LAYOUTS, contiguous
from minicap.layers import affine_backward, affine_forward, softmax_loss


@pytest.mark.parametrize("layout", [*LAYOUTS.values(), contiguous])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 4), (0, 3)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, bool])
def test_every_layout_holds_the_same_numbers(layout, shape, dtype):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    laid_out = layout(array)
    assert laid_out.dtype == dtype
    assert np.array_equal(laid_out, array)
    assert not np.shares_memory(laid_out, array)
    assert laid_out.flags.writeable


def test_the_layouts_lie_in_memory_as_their_names_say():
    array = np.ones((2, 3))
    assert LAYOUTS["transposed"](array).strides == (8, 16)
    assert LAYOUTS["strided"](array).strides == (96, 16)
    assert LAYOUTS["negative-stride"](array).strides == (-24, -8)


@pytest.fixture
def inputs(rng):
    return dict(x=rng.normal(size=(4, 3)), w=rng.normal(size=(3, 5)), b=rng.normal(size=5))


def words(report) -> str:
    return " | ".join(row.verdict for row in report.failures)


def test_a_backward_that_reverses_a_strided_dout_is_found(inputs):
    def backward(dout, cache):
        return affine_backward(dout if dout.flags.c_contiguous else dout[::-1], cache)

    report = check_pair(affine_forward, backward, inputs)
    for name in LAYOUTS:
        assert f"dx of {name} arrays is" in words(report)


def test_a_backward_that_reads_dout_as_it_lies_in_memory_is_found(inputs):
    def backward(dout, cache):
        return affine_backward(dout.ravel(order="K").reshape(dout.shape), cache)

    assert "dw of transposed arrays is" in words(check_pair(affine_forward, backward, inputs))


def test_a_forward_that_reads_between_the_strides_is_found(inputs):
    def forward(x, w, b):
        block = np.lib.stride_tricks.as_strided(x, x.shape, (x.shape[1] * 8, 8))  # as if contiguous
        return affine_forward(block.copy(), w, b)

    report = check_pair(forward, affine_backward, inputs)
    assert "out of transposed arrays is" in words(report)
    assert "dw of transposed arrays is" in words(report)


def test_a_pair_that_cannot_take_strides_says_so_in_its_own_row(inputs):
    def forward(x, w, b):
        if not x.flags.c_contiguous:
            raise ValueError("contiguous arrays only")
        return affine_forward(x, w, b)

    report = check_pair(forward, affine_backward, inputs)
    assert len(report.failures) == len(LAYOUTS)
    assert "with inputs and dout of strided arrays: forward raises ValueError: contiguous" in words(report)


def test_a_loss_is_fed_other_layouts_too(rng):
    def loss(x, y):
        value, dx = softmax_loss(x, y)
        return value, dx if x.flags.c_contiguous else dx[::-1]

    report = check_loss(loss, dict(x=rng.normal(size=(4, 5)), y=np.array([0, 1, 2, 4])))
    assert "dx of strided arrays is" in words(report)
