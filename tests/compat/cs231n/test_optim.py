"""CS231n's update rules against hand-computed steps and PyTorch."""

import numpy as np
import pytest

from minicap.compat.cs231n.optim import adam, rmsprop, sgd, sgd_momentum

W, DW = np.array([1.0, -2.0]), np.array([0.5, 4.0])


def test_the_defaults_are_the_courses():
    assert sgd(W, DW)[1] == {"learning_rate": 1e-2}
    _, config = sgd_momentum(W, DW)
    assert (config["learning_rate"], config["momentum"]) == (1e-2, 0.9)
    _, config = rmsprop(W, DW)
    assert (config["learning_rate"], config["decay_rate"], config["epsilon"]) == (1e-2, 0.99, 1e-8)
    _, config = adam(W, DW)
    assert [config[k] for k in ("learning_rate", "beta1", "beta2", "epsilon", "t")] == [
        1e-3,
        0.9,
        0.999,
        1e-8,
        1,
    ]


def test_one_step_of_each_by_hand():
    np.testing.assert_allclose(sgd(W, DW, {"learning_rate": 0.1})[0], [0.95, -2.4])
    w, config = sgd_momentum(W, DW, {"learning_rate": 0.1, "velocity": np.array([1.0, 1.0])})
    np.testing.assert_allclose(config["velocity"], [0.85, 0.5])
    np.testing.assert_allclose(w, [1.85, -1.5])
    w, config = rmsprop(W, DW, {"learning_rate": 0.1, "decay_rate": 0.75, "cache": np.array([1.0, 0.0])})
    np.testing.assert_allclose(config["cache"], [0.8125, 4])
    np.testing.assert_allclose(w, [1 - 0.05 / np.sqrt(0.8125), -2.2])
    w, config = adam(W, DW)  # after the first step m_hat / sqrt(v_hat) is the sign
    np.testing.assert_allclose(w, W - 1e-3 * np.sign(DW), rtol=1e-9)
    np.testing.assert_allclose(config["m"], 0.1 * DW)
    np.testing.assert_allclose(config["v"], 0.001 * DW**2)


def test_adam_counts_the_step_up_before_it_corrects_the_bias():
    config = {"learning_rate": 1.0, "t": 1, "m": np.zeros(2), "v": np.zeros(2)}
    w, config = adam(W, DW, config)
    assert config["t"] == 2
    m_hat, v_hat = 0.1 * DW / (1 - 0.9**2), 0.001 * DW**2 / (1 - 0.999**2)
    np.testing.assert_allclose(w, W - m_hat / (np.sqrt(v_hat) + 1e-8))


@pytest.mark.parametrize("rule", [sgd, sgd_momentum, rmsprop, adam])
def test_the_rules_leave_their_arrays_alone_and_go_downhill(rule):
    w = np.array([3.0, -4.0])
    w.flags.writeable = False
    config = {"learning_rate": 0.05}
    for _ in range(200):
        before = w.copy()
        next_w, config = rule(w, w, config)  # the gradient of w^2 / 2
        np.testing.assert_array_equal(w, before)
        w = next_w
        w.flags.writeable = False
    assert np.abs(w).max() < 0.5


@pytest.mark.parametrize(
    ("rule", "optimizer"),
    [
        (sgd, lambda t, w: t.SGD(w, lr=1e-2)),
        (sgd_momentum, lambda t, w: t.SGD(w, lr=1e-2, momentum=0.9)),
        (rmsprop, lambda t, w: t.RMSprop(w, lr=1e-2)),
        (adam, lambda t, w: t.Adam(w)),
    ],
)
def test_ten_steps_equal_pytorch(rule, optimizer, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle of this test")
    w, config = rng.normal(size=(3, 4)), None
    parameter = torch.tensor(w, requires_grad=True)
    theirs = optimizer(torch.optim, [parameter])
    for _ in range(10):
        dw = rng.normal(size=(3, 4))
        w, config = rule(w, dw, config)
        parameter.grad = torch.tensor(dw)
        theirs.step()
    np.testing.assert_allclose(w, parameter.detach().numpy(), rtol=1e-9)
