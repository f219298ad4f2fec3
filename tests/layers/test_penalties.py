import numpy as np
import pytest

from minicap.errors import DtypeError, InputError, ShapeError
from minicap.layers.penalties import l1_penalty_loss, l2_penalty_loss

PENALTIES = [l1_penalty_loss, l2_penalty_loss]


def test_penalties_of_hand_computed_weights():
    w = np.array([[3.0, -4.0], [0.0, 1.0]])
    loss, dw = l2_penalty_loss(w, 0.5)
    assert loss == 6.5  # 0.5 / 2 * (9 + 16 + 1)
    np.testing.assert_array_equal(dw, [[1.5, -2], [0, 0.5]])
    loss, dw = l1_penalty_loss(w, 0.5)
    assert loss == 4  # 0.5 * (3 + 4 + 1)
    np.testing.assert_array_equal(dw, [[0.5, -0.5], [0, 0.5]])


@pytest.mark.parametrize("penalty", PENALTIES)
def test_penalties_equal_pytorch(penalty, rng):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    w = rng.normal(size=(3, 4, 5))
    loss, dw = penalty(w, 0.3)
    w_torch = torch.tensor(w, requires_grad=True)
    expected = 0.15 * w_torch.pow(2).sum() if penalty is l2_penalty_loss else 0.3 * w_torch.abs().sum()
    expected.backward()
    np.testing.assert_allclose(loss, expected.item(), rtol=1e-12)
    np.testing.assert_allclose(dw, w_torch.grad, rtol=1e-12)


def test_a_step_along_the_l2_gradient_shrinks_every_weight_by_the_same_share(rng):
    w = rng.normal(size=(3, 4))
    np.testing.assert_allclose(w - 0.1 * l2_penalty_loss(w, 0.5)[1], (1 - 0.1 * 0.5) * w, rtol=1e-14)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_float32_stays_float32(penalty):
    loss, dw = penalty(np.ones((3, 4), dtype=np.float32), np.float64(0.1))
    assert loss.dtype == dw.dtype == np.float32
    assert loss.ndim == 0


@pytest.mark.parametrize("penalty", PENALTIES)
def test_strides_do_not_change_the_result(penalty, rng):
    w = rng.normal(size=(3, 4))
    loss, dw = penalty(w, 0.3)
    loss_strided, dw_strided = penalty(np.asfortranarray(w), 0.3)
    np.testing.assert_allclose(loss_strided, loss, rtol=1e-14)
    np.testing.assert_array_equal(dw_strided, dw)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize(
    ("w", "strength", "error", "message"),
    [
        (np.ones(3), -0.1, InputError, "strength is -0.1 but must be a finite number of at least 0"),
        (np.ones(3), float("nan"), InputError, "strength is nan"),
        (np.ones(3, dtype=int), 0.1, DtypeError, "w is int64"),
        (np.ones((0, 3)), 0.1, ShapeError, "w is empty"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(penalty, w, strength, error, message):
    with pytest.raises(error, match=f"{penalty.__name__}: {message}"):
        penalty(w, strength)
