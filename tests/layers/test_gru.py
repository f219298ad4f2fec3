import numpy as np
import pytest

from minicap.layers.gru import gru_backward, gru_forward, gru_step_forward

SHUT, OPEN = -1e3, 1e3  # biases under which a sigmoid is exactly 0 or 1


def tanh(x):
    return pytest.approx(np.tanh(x), rel=1e-14)


def step_with_gates(r, z, n, prev_h, recurrent=2.0, bh_n=0.5, reset_after=True):
    """One unit whose gates are set by the bias alone, given in the order the test states."""
    next_h, _ = gru_step_forward(
        np.zeros((1, 1)),
        np.array([[prev_h]]),
        np.zeros((1, 3)),
        np.array([[0, 0, recurrent]]),
        np.array([r, z, n]),
        np.array([0, 0, bh_n]),
        reset_after=reset_after,
    )
    return next_h.item()


def test_the_update_gate_keeps_the_old_state():
    assert step_with_gates(r=SHUT, z=OPEN, n=0.3, prev_h=0.7) == 0.7


def test_the_reset_gate_shuts_out_the_whole_recurrent_term_when_it_comes_after():
    assert step_with_gates(r=SHUT, z=SHUT, n=0.3, prev_h=0.7) == tanh(0.3)
    assert step_with_gates(r=OPEN, z=SHUT, n=0.3, prev_h=0.7) == tanh(2.2)


def test_the_reset_gate_shuts_out_the_state_but_not_the_bias_when_it_comes_before():
    assert step_with_gates(r=SHUT, z=SHUT, n=0.3, prev_h=0.7, reset_after=False) == pytest.approx(
        np.tanh(0.8), rel=1e-14
    )
    assert step_with_gates(r=OPEN, z=SHUT, n=0.3, prev_h=0.7, reset_after=False) == pytest.approx(
        np.tanh(2.2), rel=1e-14
    )


@pytest.mark.parametrize("reset_after", [True, False])
def test_both_variants_equal_their_equations_in_pytorch(reset_after):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    rng = np.random.default_rng(0)
    N, T, D, H = 2, 4, 3, 5
    shapes = [(N, T, D), (N, H), (D, 3 * H), (H, 3 * H), (3 * H,), (3 * H,)]
    arrays, dh = [rng.normal(size=s) for s in shapes], rng.normal(size=(N, T, H))
    h, cache = gru_forward(*arrays, reset_after=reset_after)

    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    x, state, Wx, Wh, b, bh = theirs
    (Wr, Wz, Wn), (Ur, Uz, Un), (br, bz, bn), (cr, cz, cn) = (w.split(H, dim=-1) for w in (Wx, Wh, b, bh))
    states = []
    for t in range(T):
        r = torch.sigmoid(x[:, t] @ Wr + br + state @ Ur + cr)
        z = torch.sigmoid(x[:, t] @ Wz + bz + state @ Uz + cz)
        recurrent = r * (state @ Un + cn) if reset_after else (r * state) @ Un + cn
        n = torch.tanh(x[:, t] @ Wn + bn + recurrent)
        state = (1 - z) * n + z * state
        states.append(state)
    expected = torch.stack(states, dim=1)
    expected.backward(torch.tensor(dh))

    np.testing.assert_allclose(h, expected.detach(), rtol=0, atol=1e-12)
    for gradient, array in zip(gru_backward(dh, cache), theirs, strict=True):
        np.testing.assert_allclose(gradient, array.grad, rtol=0, atol=1e-9 * float(array.grad.abs().max()))
