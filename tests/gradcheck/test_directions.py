"""Large arrays are measured along random directions, which see a wrong entry anywhere."""

import numpy as np
import pytest

from minicap.arrays import textbook
from minicap.gradcheck import check_loss, check_pair, distinct_in_windows
from minicap.gradcheck.derivatives import along
from minicap.layers import affine_backward, affine_forward, conv_backward, conv_forward, softmax_loss


@pytest.fixture
def inputs(rng):
    return dict(x=rng.normal(size=(90, 80)), w=rng.normal(size=(80, 70)), b=rng.normal(size=70))


def test_a_right_pair_passes_with_one_number_for_each_direction(inputs):
    report = check_pair(affine_forward, affine_backward, inputs, directions=2)
    assert report.passed
    assert [row.entries for row in report] == [2, 2, 2]
    assert all(row.error < 1e-10 for row in report)


@pytest.mark.parametrize("entry", [0, 3333, 5599])
def test_one_wrong_entry_among_thousands_is_seen(inputs, entry):
    def backward(dout, cache):
        dx, dw, db = affine_backward(dout, cache)
        dw.flat[entry] *= 1.001
        return dx, dw, db

    report = check_pair(affine_forward, backward, inputs, directions=1)
    assert [row.argument for row in report.failures] == ["w"]
    assert "dw is wrong along a random direction" in report.failures[0].verdict


def test_a_loss_can_be_measured_along_directions(rng):
    inputs = dict(x=rng.normal(size=(50, 40)), y=rng.integers(0, 40, size=50))
    assert check_loss(softmax_loss, inputs, directions=1).passed
    assert not check_loss(lambda x, y: (softmax_loss(x, y)[0], 0 * x), inputs, directions=1).passed


def test_pieces_that_are_forgotten_are_seen(rng):
    """The images behind the first eight get no gradient."""
    inputs = dict(x=rng.normal(size=(9, 2, 5, 5)), w=rng.normal(size=(3, 2, 3, 3)), b=None, pad=1)

    def backward(dout, cache):
        dx, dw, db = conv_backward(dout, cache)
        dx[8:] = 0
        return dx, dw, db

    with textbook():
        assert check_pair(conv_forward, conv_backward, inputs, directions=1).passed
        (failure,) = check_pair(conv_forward, backward, inputs, directions=1).failures
    assert failure.argument == "x"


def test_an_array_is_put_back_after_it_was_moved():
    x = np.array([1.0, 2.0])
    with along(lambda: float(x @ x), x, np.array([[1.0, -1.0]])) as (moved, distances):
        distances[0] = 0.5
        assert moved() == 1.5**2 + 1.5**2
    assert x.tolist() == [1, 2]


@pytest.mark.parametrize("size", [2, 3])
def test_entries_are_distinct_in_windows_at_every_place_and_keep_away_from_zero(rng, size):
    x = distinct_in_windows(rng, (2, 3, 7, 8), size)
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3)).reshape(-1, size * size)
    assert np.diff(np.sort(windows, axis=1), axis=1).min() >= 0.5
    assert np.abs(x).min() >= 0.25
    assert x.min() < 0 < x.max()
