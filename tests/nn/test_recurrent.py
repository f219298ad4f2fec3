import numpy as np
import pytest

from minicap.nn import GRU, LSTM, RECURRENT, RNN

CELLS = {
    "rnn": lambda: RNN(4, 3),
    "relu rnn": lambda: RNN(4, 3, "relu"),
    "lstm": lambda: LSTM(4, 3),
    "gru": lambda: GRU(4, 3),
    "gru, reset before": lambda: GRU(4, 3, reset_after=False),
}


@pytest.mark.parametrize("name", CELLS)
def test_steps_equal_the_whole_sequence(name, rng):
    cell = CELLS[name]().initialize(1, np.float64)
    for bias in ("b", "bh"):
        if bias in cell.names:
            cell[bias][...] = rng.normal(size=cell[bias].shape)
    x = rng.normal(size=(2, 6, 4))
    h, _ = cell.forward(x, train=True)
    state = cell.start(2)
    for t in range(6):
        state = cell.step(x[:, t], state)
        np.testing.assert_allclose(state[0], h[:, t], atol=1e-14)


@pytest.mark.parametrize("name", CELLS)
def test_a_step_keeps_the_dtype_and_the_number_of_states(name):
    cell = CELLS[name]().initialize()
    start = cell.start(5)
    state = cell.step(np.ones((5, 4), np.float32), start)
    assert len(state) == len(start)
    assert {a.dtype for a in (*start, *state)} == {np.dtype(np.float32)}
    assert {a.shape for a in (*start, *state)} == {(5, 3)}


@pytest.mark.parametrize("kind", RECURRENT.values())
def test_each_gate_starts_from_an_orthogonal_block(kind):
    cell = kind(4, 3).initialize(2, np.float64)
    for block in np.split(cell["Wh"], cell.gates, axis=1):
        np.testing.assert_allclose(block.T @ block, np.eye(3), atol=1e-12)
