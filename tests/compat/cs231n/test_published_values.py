"""A few of the outputs that CS231n's notebooks print for evenly spaced inputs."""

import numpy as np

from minicap.compat.cs231n import (
    adam,
    conv_forward_naive,
    lstm_step_forward,
    max_pool_forward_naive,
    rnn_step_forward,
)


def spaced(low, high, *shape):
    return np.linspace(low, high, num=int(np.prod(shape))).reshape(shape)


def test_conv():
    x, w, b = spaced(-0.1, 0.5, 2, 3, 4, 4), spaced(-0.2, 0.3, 3, 3, 4, 4), spaced(-0.1, 0.2, 3)
    out, _ = conv_forward_naive(x, w, b, {"stride": 2, "pad": 1})
    expected = [[-0.08759809, -0.10987781], [-0.18387192, -0.2109216]]
    np.testing.assert_allclose(out[0, 0], expected, atol=1e-8)


def test_max_pool():
    pool_param = {"pool_width": 2, "pool_height": 2, "stride": 2}
    out, _ = max_pool_forward_naive(spaced(-0.3, 0.4, 2, 3, 4, 4), pool_param)
    expected = [[-0.26315789, -0.24842105], [-0.20421053, -0.18947368]]
    np.testing.assert_allclose(out[0, 0], expected, atol=1e-8)


def test_rnn_step():
    x, h, b = spaced(-0.4, 0.7, 3, 10), spaced(-0.2, 0.5, 3, 4), spaced(-0.2, 0.4, 4)
    next_h, _ = rnn_step_forward(x, h, spaced(-0.1, 0.9, 10, 4), spaced(-0.3, 0.7, 4, 4), b)
    np.testing.assert_allclose(next_h[0], [-0.58172089, -0.50182032, -0.41232771, -0.31410098], atol=1e-8)


def test_lstm_step():
    x, h, c = spaced(-0.4, 1.2, 3, 4), spaced(-0.3, 0.7, 3, 5), spaced(-0.4, 0.9, 3, 5)
    Wx, Wh, b = spaced(-2.1, 1.3, 4, 20), spaced(-0.7, 2.2, 5, 20), spaced(0.3, 0.7, 20)
    next_h, _, _ = lstm_step_forward(x, h, c, Wx, Wh, b)
    expected = [0.24635157, 0.28610883, 0.32240467, 0.35525807, 0.38474904]
    np.testing.assert_allclose(next_h[0], expected, atol=1e-8)


def test_adam():
    config = {"learning_rate": 1e-2, "m": spaced(0.6, 0.9, 4, 5), "v": spaced(0.7, 0.5, 4, 5), "t": 5}
    w, _ = adam(spaced(-0.4, 0.6, 4, 5), spaced(-0.6, 0.4, 4, 5), config)
    expected = [-0.40094747, -0.34836187, -0.29577703, -0.24319299, -0.19060977]
    np.testing.assert_allclose(w[0], expected, atol=1e-8)
