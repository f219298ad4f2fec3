import numpy as np
import pytest

from minicap.backend.cpu.recurrent.gru import supports as gru_supports
from minicap.backend.cpu.recurrent.lstm import lstm_backward, lstm_forward
from minicap.backend.cpu.recurrent.lstm import supports as lstm_supports
from minicap.backend.cpu.recurrent.rnn import supports as rnn_supports
from minicap.backend.cpu.recurrent.sequence import left_out

N, T, D, H = 3, 4, 2, 5
LAYERS = {"rnn": (1, rnn_supports), "lstm": (4, lstm_supports), "gru": (3, gru_supports)}


def arrays(rng, gates):
    shapes = {"x": (N, T, D), "h0": (N, H), "Wx": (D, gates * H), "Wh": (H, gates * H), "b": (gates * H,)}
    if gates == 3:
        shapes["bh"] = (gates * H,)
    return {name: rng.normal(size=shape) for name, shape in shapes.items()}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("dtype", [bool, np.float32, np.float64])
def test_a_mask_of_zeros_and_ones_takes_the_faster_pair(layer, dtype, rng):
    gates, supports = LAYERS[layer]
    assert supports(**arrays(rng, gates), mask=np.eye(N, T).astype(dtype))


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(
    "mask",
    [np.full((N, T), 0.5), np.full((N, T), np.nan), np.ones((T, N)), np.ones((N, T), int), [[1] * T] * N],
    ids=["fractions", "nan", "another shape", "integers", "a list"],
)
def test_every_other_mask_is_left_to_the_textbook(layer, mask, rng):
    gates, supports = LAYERS[layer]
    assert not supports(**arrays(rng, gates), mask=mask)


def test_the_sequences_left_out_are_listed_step_by_step():
    first, second, third = left_out(np.array([[1, 0, 0], [1, 1, 0]]), 3)
    assert first is None
    assert (second.tolist(), third.tolist()) == ([0], [0, 1])
    assert left_out(None, 2) == [None, None]


def test_a_sequence_left_out_throughout_keeps_its_state_bit_for_bit_and_hands_its_gradient_back(rng):
    inputs, c0, mask = arrays(rng, 4), rng.normal(size=(N, H)), np.ones((N, T), bool)
    mask[1] = False
    h, cache = lstm_forward(**inputs, c0=c0, mask=mask)
    np.testing.assert_array_equal(h[1], np.tile(inputs["h0"][1], (T, 1)))
    dx, dh0, *_, dc0 = lstm_backward(np.ones((N, T, H)), cache)
    assert not dx[1].any()
    assert not dc0[1].any()
    np.testing.assert_array_equal(dh0[1], np.full(H, T))
