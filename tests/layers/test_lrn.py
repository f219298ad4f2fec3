import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.errors import DtypeError, InputError, ShapeError
from minicap.layers.checks import complex_numbers
from minicap.layers.lrn import lrn_backward, lrn_forward


def test_a_hand_computed_window_of_three_channels():
    x = np.array([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1)
    out, _ = lrn_forward(x, size=3, alpha=3.0, beta=1.0, k=1.0)  # s = 1 + sum of squares
    np.testing.assert_allclose(out.ravel(), [1 / 6, 2 / 15, 3 / 14])


@settings(max_examples=40)
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 4),
    size=st.integers(1, 7),
    beta=st.sampled_from([0.5, 0.75, 1.5]),
    seed=st.integers(0, 2**32),
)
def test_lrn_equals_pytorch_for_odd_and_even_windows(shape, size, beta, seed):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    rng = np.random.default_rng(seed)
    x, dout = 2 * rng.normal(size=shape), rng.normal(size=shape)
    out, cache = lrn_forward(x, size, 0.8, beta, 1.3)
    dx = lrn_backward(dout, cache)
    x_torch = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.local_response_norm(x_torch, size, 0.8, beta, 1.3)
    expected.backward(torch.tensor(dout))
    np.testing.assert_allclose(out, expected.detach(), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(dx, x_torch.grad, rtol=0, atol=1e-11)


def test_float32_stays_float32(rng):
    x = rng.normal(size=(2, 5, 3, 4)).astype(np.float32)
    out, cache = lrn_forward(x, alpha=np.float64(1e-4), beta=np.float64(0.75), k=np.float64(2))
    assert out.dtype == lrn_backward(x, cache).dtype == np.float32


def test_strides_do_not_change_the_result(rng):
    x = rng.normal(size=(2, 5, 3, 4))
    out, cache = lrn_forward(x)
    out_strided, cache_strided = lrn_forward(np.asfortranarray(x))
    np.testing.assert_allclose(out_strided, out, rtol=1e-14)
    np.testing.assert_allclose(lrn_backward(x, cache_strided), lrn_backward(x, cache), rtol=1e-12)


def test_a_complex_step_gives_the_directional_derivative(rng):
    x, direction, dout = rng.normal(size=(3, 2, 5, 3, 4))
    with complex_numbers():
        stepped, _ = lrn_forward(x + 1e-30j * direction, alpha=0.5)
    _, cache = lrn_forward(x, alpha=0.5)
    np.testing.assert_allclose(
        (stepped.imag / 1e-30 * dout).sum(), (lrn_backward(dout, cache) * direction).sum(), rtol=1e-12
    )


@pytest.mark.parametrize(
    ("x", "size", "error", "message"),
    [
        (np.ones((2, 3, 4)), 5, ShapeError, r"x has 3 axes \(2, 3, 4\) but must be \(N C H W\)"),
        (np.ones((0, 3, 4, 4)), 5, ShapeError, "x is empty"),
        (np.ones((2, 3, 4, 4), dtype=np.uint8), 5, DtypeError, "x is uint8"),
        (np.ones((2, 3, 4, 4)), 0, InputError, "size is 0"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(x, size, error, message):
    with pytest.raises(error, match=f"lrn_forward: {message}"):
        lrn_forward(x, size)


def test_an_upstream_gradient_of_another_shape_is_refused():
    _, cache = lrn_forward(np.ones((2, 3, 4, 4)))
    with pytest.raises(ShapeError, match="lrn_backward: dout is"):
        lrn_backward(np.ones((2, 3, 4)), cache)
