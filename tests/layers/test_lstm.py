import numpy as np
import pytest

from minicap.errors import ShapeError
from minicap.layers.lstm import lstm_backward, lstm_forward, lstm_step_forward

SHUT, OPEN = -1e3, 1e3  # biases under which a sigmoid is exactly 0 or 1


def step_with_gates(i, f, o, g, prev_c):
    """One unit whose gates are set by the bias alone, given in the order the test states."""
    b = np.array([i, f, o, g])
    next_h, next_c, _ = lstm_step_forward(
        np.zeros((1, 1)), np.zeros((1, 1)), np.array([[prev_c]]), np.zeros((1, 4)), np.zeros((1, 4)), b
    )
    return next_h.item(), next_c.item()


def test_the_gate_blocks_are_input_forget_output_candidate():
    assert step_with_gates(i=SHUT, f=OPEN, o=OPEN, g=0.3, prev_c=0.7) == (np.tanh(0.7), 0.7)
    assert step_with_gates(i=OPEN, f=SHUT, o=OPEN, g=0.3, prev_c=0.7) == (np.tanh(np.tanh(0.3)), np.tanh(0.3))
    assert step_with_gates(i=OPEN, f=OPEN, o=SHUT, g=0.3, prev_c=0.7) == (0, 0.7 + np.tanh(0.3))


def arrays(c0):
    rng = np.random.default_rng(0)
    drawn = [rng.normal(size=s) for s in [(2, 3, 4), (2, 5), (4, 20), (5, 20), (20,)]]
    return drawn, ({"c0": rng.normal(size=(2, 5))} if c0 else {})


def test_a_cell_that_is_not_given_is_zero_and_gets_the_gradient_of_zeros():
    drawn, _ = arrays(c0=False)
    h, cache = lstm_forward(*drawn)
    h_zero, cache_zero = lstm_forward(*drawn, c0=np.zeros((2, 5)))
    np.testing.assert_array_equal(h, h_zero)
    for gradient, of_zero in zip(lstm_backward(h, cache), lstm_backward(h, cache_zero), strict=True):
        np.testing.assert_array_equal(gradient, of_zero)


def test_the_cache_holds_the_last_cell():
    drawn, options = arrays(c0=True)
    x, h, *weights = drawn
    _, cache = lstm_forward(*drawn, **options)
    c = options["c0"]
    for t in range(3):
        h, c, _ = lstm_step_forward(x[:, t], h, c, *weights)
    np.testing.assert_allclose(cache.c[-1], c, rtol=1e-12)


def test_a_cell_of_another_shape_is_refused():
    drawn, _ = arrays(c0=False)
    with pytest.raises(ShapeError, match=r"lstm_forward: c0 does not fit .*: N is 2"):
        lstm_forward(*drawn, c0=np.zeros((5, 5)))


def test_scores_far_beyond_exp_stay_finite():
    drawn, _ = arrays(c0=False)
    h, cache = lstm_forward(1e30 * drawn[0], *drawn[1:])
    assert np.isfinite(h).all()
    assert all(np.isfinite(g).all() for g in lstm_backward(np.ones_like(h), cache))
