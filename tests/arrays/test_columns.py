import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.arrays import columns
from minicap.arrays.windows import window_over

options = st.fixed_dictionaries(
    dict(
        stride=st.tuples(st.integers(1, 3), st.integers(1, 3)),
        pad=st.tuples(st.integers(0, 2), st.integers(0, 2)),
        dilation=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    )
)


def make_window(stride=1, pad=0, dilation=1, image=(6, 7), size=(2, 3)):
    return window_over(make_window, image, size, stride, pad, dilation)


def test_a_column_is_what_the_window_sees():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    got = columns.im2col(x, make_window(stride=(2, 1), image=(4, 4), size=(2, 2)))
    assert got.shape == (1, 2, 2, 1, 2, 3)
    np.testing.assert_array_equal(got[0, :, :, 0, 0, 0], [[0, 1], [4, 5]])
    np.testing.assert_array_equal(got[0, :, :, 0, 1, 2], [[10, 11], [14, 15]])


@settings(max_examples=30)
@given(options)
def test_col2im_is_the_transpose_of_im2col(options):
    rng = np.random.default_rng(0)
    window = make_window(**options)
    x = rng.normal(size=(2, 3, 6, 7))
    taken = columns.im2col(x, window)
    given_back = rng.normal(size=taken.shape)
    returned = columns.col2im(given_back, window)
    assert returned.shape == x.shape
    np.testing.assert_allclose((taken * given_back).sum(), (x * returned).sum(), rtol=1e-12)


def test_columns_do_not_depend_on_the_memory_order(rng):
    x = rng.normal(size=(2, 3, 6, 7)).astype(np.float32)
    reordered = np.ascontiguousarray(x.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1)
    window = make_window(stride=2, pad=1)
    got = columns.im2col(reordered, window)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, columns.im2col(x, window))


def test_images_without_padding_are_not_copied():
    x = np.zeros((1, 1, 6, 7))
    assert columns.pad_images(x, make_window()) is x
