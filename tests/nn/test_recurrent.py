from contextlib import nullcontext

import numpy as np
import pytest

from minicap.arrays import textbook
from minicap.errors import DtypeError
from minicap.gradcheck import check_model
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


@pytest.mark.parametrize("name", CELLS)
def test_a_sequence_goes_on_from_a_given_state(name, rng):
    cell, x = CELLS[name]().initialize(1, np.float64), rng.normal(size=(2, 6, 4))
    whole, _ = cell.forward(x, train=True)
    state = cell.start(2)
    for t in range(3):
        state = cell.step(x[:, t], state)
    rest, _ = cell.forward(x[:, 3:], train=True, **dict(zip(cell.states, state, strict=True)))
    np.testing.assert_allclose(rest, whole[:, 3:], atol=1e-14)


@pytest.mark.parametrize("fast", [True, False])
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_two_halves_of_a_sequence_equal_the_whole(name, masked, fast, rng):
    cell, x = CELLS[name]().initialize(1, np.float64), rng.normal(size=(2, 6, 4))
    mask = np.array([[1, 1, 0, 1, 1, 1], [1, 1, 1, 1, 0, 0]], float) if masked else np.ones((2, 6))
    with nullcontext() if fast else textbook():
        whole, _ = cell.forward(x, train=True, mask=mask)
        state = ()
        for half in (slice(0, 3), slice(3, 6)):
            start = dict(zip(cell.states, state, strict=False))
            h, cache = cell.forward(x[:, half], train=True, mask=mask[:, half], **start)
            state = cell.last_state(h, cache)
            np.testing.assert_allclose(h, whole[:, half], atol=1e-14)


@pytest.mark.parametrize("name", CELLS)
def test_the_state_is_carried_over_masked_steps(name, rng):
    cell, x = CELLS[name]().initialize(1, np.float64), rng.normal(size=(2, 4, 4))
    mask = np.array([[1, 0, 1, 1], [1, 1, 0, 0.0]])
    h, _ = cell.forward(x, train=True, mask=mask)
    np.testing.assert_array_equal(h[0, 1], h[0, 0])
    np.testing.assert_array_equal(h[1, 3], h[1, 1])
    without, _ = cell.forward(x[:1, [0, 2, 3]], train=True)
    np.testing.assert_allclose(h[0, [0, 2, 3]], without[0], atol=1e-14)


@pytest.mark.parametrize("name", CELLS)
def test_gradients_of_the_state_at_the_start(name, rng):
    cell, x = CELLS[name]().initialize(1, np.float64), rng.normal(size=(2, 4, 4))
    state = {name: rng.normal(size=(2, 3)) for name in cell.states}
    mask, dout = np.array([[1, 0, 1, 1], [0, 1, 1, 0.0]]), rng.normal(size=(2, 4, 3))

    def loss():
        h, cache = cell.forward(x, train=True, mask=mask, **state)
        dx, grads, dstate = cell.backward_to_start(dout, cache)
        named = dict(zip(cell.states, dstate, strict=True))
        return (h * dout).sum(), grads | named | {"x": dx}

    report = check_model(loss, {**cell.params, **state, "x": x})
    assert len(report) == len(cell.names) + len(state) + 1
    assert report.passed, str(report)


def test_the_states_at_the_start_are_arrays_of_their_own():
    h, c = LSTM(4, 3).initialize().start(2)
    h += 1
    assert not c.any()


def test_an_input_in_another_precision_is_named_beside_a_weight():
    with pytest.raises(DtypeError, match="lstm_forward: x is float64 but Wh is float32"):
        LSTM(4, 3).initialize()(np.zeros((2, 5, 4)))
