import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.errors import DtypeError, ShapeError
from minicap.layers import softmax as module
from minicap.layers.checks import complex_numbers

NAMES = ["softmax", "log_softmax"]


def pair(name):
    return getattr(module, f"{name}_forward"), getattr(module, f"{name}_backward")


def test_probabilities_of_hand_computed_scores():
    p, _ = module.softmax_forward(np.log([[1.0, 2.0, 5.0], [3.0, 3.0, 3.0]]))
    np.testing.assert_allclose(p, [[1 / 8, 2 / 8, 5 / 8], [1 / 3, 1 / 3, 1 / 3]])
    out, _ = module.log_softmax_forward(np.log([1.0, 2.0, 5.0]))
    np.testing.assert_allclose(out, np.log([1 / 8, 2 / 8, 5 / 8]))


def test_huge_scores_do_not_overflow():
    x = np.array([[1e4, 0.0, -1e4]])
    np.testing.assert_array_equal(module.softmax_forward(x)[0], [[1, 0, 0]])
    np.testing.assert_array_equal(module.log_softmax_forward(x)[0], [[0, -1e4, -2e4]])


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40)
@given(data=st.data())
def test_softmax_equals_pytorch(name, data):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x, dout = rng.normal(size=shape) * data.draw(st.sampled_from([0.1, 1, 20])), rng.normal(size=shape)

    forward, backward = pair(name)
    out, cache = forward(x)
    dx = backward(dout, cache)
    x_torch = torch.tensor(x, requires_grad=True)
    expected = getattr(torch, name)(x_torch, dim=-1)
    expected.backward(torch.tensor(dout))

    np.testing.assert_allclose(out, expected.detach(), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(dx, x_torch.grad, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32(name, rng):
    forward, backward = pair(name)
    out, cache = forward(rng.normal(size=(3, 4)).astype(np.float32))
    assert out.dtype == backward(np.ones((3, 4), dtype=np.float32), cache).dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_strides_do_not_change_the_result(name, rng):
    forward, backward = pair(name)
    x, dout = rng.normal(size=(4, 3, 5)).transpose(2, 0, 1), rng.normal(size=(5, 8, 3))[:, ::2]
    out, cache = forward(x)
    packed, packed_cache = forward(x.copy(order="C"))
    np.testing.assert_allclose(out, packed, rtol=1e-14)
    np.testing.assert_allclose(backward(dout, cache), backward(dout.copy(), packed_cache), rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
def test_a_complex_step_gives_the_directional_derivative(name, rng):
    forward, backward = pair(name)
    x, direction, dout = (
        rng.normal(size=(3, 2, 4, 5))[0],
        rng.normal(size=(2, 4, 5)),
        rng.normal(size=(2, 4, 5)),
    )
    with complex_numbers():
        stepped, _ = forward(x + 1e-30j * direction)
    _, cache = forward(x)
    np.testing.assert_allclose(
        (stepped.imag / 1e-30 * dout).sum(), (backward(dout, cache) * direction).sum(), rtol=1e-12
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.ones((2, 3), dtype=int), DtypeError, r"x is int64 but must be float32 or float64"),
        (np.ones((2, 0)), ShapeError, r"x is empty \(2, 0\)"),
        (np.ones(()), ShapeError, r"x has 0 axes"),
    ],
)
def test_what_has_no_scores_is_refused(name, x, error, message):
    with pytest.raises(error, match=f"{name}_forward: {message}"):
        pair(name)[0](x)


@pytest.mark.parametrize("name", NAMES)
def test_an_upstream_gradient_of_another_shape_is_refused(name):
    forward, backward = pair(name)
    _, cache = forward(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=rf"{name}_backward: dout is \(2, 1\)"):
        backward(np.ones((2, 1)), cache)
