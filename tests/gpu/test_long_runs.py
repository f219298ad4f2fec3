"""Recurrent layers whose blocks wait for each other at each of many steps: the same bits every time."""

import numpy as np
import pytest
from gpu.test_layers import recurrent
from strict_cupy import StrictArray

from minicap.arrays import Array, Backend, to_device, to_host
from minicap.layers import gru_backward, gru_forward, lstm_backward, lstm_forward, rnn_backward, rnn_forward

LAYERS = {
    "lstm": (4, lstm_forward, lstm_backward),
    "gru": (3, gru_forward, gru_backward),
    "rnn": (1, rnn_forward, rnn_backward),
}
TIMES = 10


@pytest.mark.parametrize("name", LAYERS)
def test_many_steps_give_the_same_bits_every_time(name: str, cupy: Backend):
    N, T, D, H = (2, 12, 3, 5) if cupy.array_type is StrictArray else (32, 1000, 64, 512)
    gates, forward, backward = LAYERS[name]
    given = [to_device(array) for array in recurrent(gates, N, T, D, H)]
    dh = to_device(np.random.default_rng(1).normal(size=(N, T, H)).astype(np.float32))

    def compute() -> list[Array]:
        out, cache = forward(*given)
        return [to_host(array) for array in (out, *backward(dh, cache))]

    first = compute()
    for _ in range(TIMES - 1):
        for mine, theirs in zip(compute(), first, strict=True):
            np.testing.assert_array_equal(mine, theirs)
    assert all(np.isfinite(array).all() for array in first)
