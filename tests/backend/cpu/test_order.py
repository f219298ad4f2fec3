import numpy as np

from minicap.backend.cpu.order import (
    Scratch,
    as_hwnc,
    as_nchw,
    axis_order,
    empty_images,
    empty_in_order,
    flat_pieces,
    hwnc,
    in_order,
    is_dense,
    is_hwnc,
)


def test_images_over_hwnc_memory_are_found_by_their_strides(rng):
    images = empty_images((2, 3, 4, 5), np.float32)
    assert images.shape == (2, 3, 4, 5)
    assert is_hwnc(images)
    assert not is_hwnc(np.empty((2, 3, 4, 5)))
    assert not is_hwnc(empty_images((2, 4, 4, 5), np.float32)[:, 1:])


def test_memory_in_the_right_order_is_not_copied(rng):
    images = empty_images((2, 3, 4, 5), np.float32)
    assert np.shares_memory(hwnc(images), images)
    assert np.shares_memory(as_nchw(hwnc(images)), images)
    usual = rng.normal(size=(2, 3, 4, 5))
    assert hwnc(usual).flags.c_contiguous
    np.testing.assert_array_equal(hwnc(usual), usual.transpose(2, 3, 0, 1))
    assert np.shares_memory(as_hwnc(usual), usual)


def test_scratch_gives_the_same_memory_for_a_name_and_grows():
    scratch = Scratch(np.float32)
    first = scratch("V", 4, 5)
    assert np.shares_memory(first, scratch("V", 3, 2))
    assert not np.shares_memory(first, scratch("M", 4, 5))
    assert scratch("V", 10, 10).shape == (10, 10)
    assert scratch("V", 10, 10).dtype == np.float32


def test_axes_are_ordered_from_the_slowest_to_the_fastest(rng):
    x = rng.normal(size=(2, 3, 4, 5))
    assert axis_order(x) == (0, 1, 2, 3)
    assert axis_order(as_nchw(x)) == (2, 3, 0, 1)
    assert axis_order(x[:, 1:]) == (0, 1, 2, 3)


def test_an_array_is_copied_into_another_order_only_when_it_is_not_in_it(rng):
    x = rng.normal(size=(2, 3, 4, 5))
    assert np.shares_memory(in_order(x, (0, 1, 2, 3)), x)
    turned = in_order(x, (1, 3, 0, 2))
    assert axis_order(turned) == (1, 3, 0, 2)
    np.testing.assert_array_equal(turned, x)
    assert axis_order(empty_in_order(x.shape, (1, 3, 0, 2), bool)) == (1, 3, 0, 2)
    assert is_dense(turned)
    assert not is_dense(x[:, 1:])


def test_pieces_follow_the_memory_and_are_views(rng):
    x = as_nchw(rng.normal(size=(4, 5, 2, 3)))
    pieces = [piece for (piece,) in flat_pieces(x, entries=50)]
    assert [len(piece) for piece in pieces] == [50, 50, 20]
    assert all(np.shares_memory(piece, x) for piece in pieces)
    np.testing.assert_array_equal(np.concatenate(pieces), as_hwnc(x).ravel())
