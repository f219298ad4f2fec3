import numpy as np
import pytest

from minicap.errors import InputError
from minicap.layers.rnn import rnn_forward, rnn_step_backward, rnn_step_forward

ONE = np.ones((1, 1))


def test_a_step_on_hand_computed_numbers():
    x, prev_h, b = np.array([[2.0]]), np.array([[-3.0]]), np.array([0.5])
    next_h, cache = rnn_step_forward(x, prev_h, 0.5 * ONE, 0.25 * ONE, b, activation="relu")
    np.testing.assert_array_equal(next_h, [[0.75]])  # 2 * 0.5 - 3 * 0.25 + 0.5
    gradients = rnn_step_backward(2 * ONE, cache)
    assert [float(g.item()) for g in gradients] == [1.0, 0.5, 4.0, -6.0, 2.0]


def test_a_unit_that_relu_shut_passes_nothing_back():
    next_h, cache = rnn_step_forward(-ONE, ONE, 2 * ONE, ONE, np.zeros(1), activation="relu")
    assert next_h == 0
    assert all((g == 0).all() for g in rnn_step_backward(ONE, cache))


@pytest.mark.parametrize("forward", [rnn_forward, rnn_step_forward])
def test_an_unknown_activation_is_refused(forward):
    x = np.ones((1, 1, 1)) if forward is rnn_forward else ONE
    with pytest.raises(InputError, match=r"activation is 'gelu' but must be \"tanh\" or \"relu\""):
        forward(x, ONE, ONE, ONE, np.zeros(1), activation="gelu")
