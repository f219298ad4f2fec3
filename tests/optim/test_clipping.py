import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strict_cupy import counting

from minicap.arrays import to_device, to_host
from minicap.errors import InputError
from minicap.optim import clip_global_norm, global_norm


def draw(seed, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return {"a": rng.normal(size=(3, 4)).astype(dtype), "b": rng.normal(size=5).astype(dtype)}


def test_the_norm_is_that_of_all_gradients_as_one_vector():
    assert global_norm({"a": np.array([[3.0]]), "b": np.array([0.0, 4.0])}) == 5


def test_a_vector_that_is_twice_too_long_is_halved():
    clipped, norm = clip_global_norm({"a": np.array([[3.0]]), "b": np.array([0.0, 4.0])}, 2.5)
    assert norm == 5
    np.testing.assert_allclose(clipped["a"], [[1.5]], rtol=1e-15)
    np.testing.assert_allclose(clipped["b"], [0, 2], rtol=1e-15)


@pytest.mark.parametrize("limit", [0.5, 100.0])
def test_clipping_equals_pytorchs(limit):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    grads = draw(0)
    tensors = [torch.zeros(g.shape, dtype=torch.float64) for g in grads.values()]
    for tensor, grad in zip(tensors, grads.values(), strict=True):
        tensor.grad = torch.tensor(grad)
    their_norm = torch.nn.utils.clip_grad_norm_(tensors, limit)
    clipped, norm = clip_global_norm(grads, limit)
    assert norm == pytest.approx(float(their_norm), rel=1e-12)
    for tensor, grad in zip(tensors, clipped.values(), strict=True):
        # PyTorch divides by norm + 1e-6.
        np.testing.assert_allclose(grad, tensor.grad.numpy(), rtol=2e-6 / norm)


@given(seed=st.integers(0, 2**32), limit=st.floats(1e-3, 1e3))
def test_the_direction_stays_and_the_length_obeys_the_limit(seed, limit):
    grads = draw(seed)
    clipped, norm = clip_global_norm(grads, limit)
    assert float(global_norm(clipped)) == pytest.approx(min(norm, limit), rel=1e-12)
    factor = min(1, limit / norm)
    assert all(np.allclose(clipped[name], grads[name] * factor, rtol=1e-12) for name in grads)


def test_short_gradients_are_returned_as_they_are():
    grads = draw(0)
    assert clip_global_norm(grads, 1e6)[0] is grads


def test_float32_stays_float32_and_the_given_arrays_are_left_alone():
    grads = draw(0, np.float32)
    copies = {name: g.copy() for name, g in grads.items()}
    clipped, norm = clip_global_norm(grads, 0.1)
    assert {g.dtype for g in clipped.values()} == {np.dtype(np.float32)}
    assert isinstance(norm, float)
    assert all((grads[name] == copies[name]).all() for name in grads)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_norm_that_is_not_finite_is_reported_and_hides_nothing(bad):
    grads = draw(0)
    grads["b"][2] = bad
    clipped, norm = clip_global_norm(grads, 1.0)
    assert not np.isfinite(norm)
    assert clipped is grads


@pytest.mark.parametrize(("limit", "bad"), [(0.5, None), (100.0, None), (0.5, np.nan), (0.5, np.inf)])
def test_a_device_is_not_waited_for_and_clips_as_the_host_does(limit, bad, strict_cupy):
    grads = draw(0, np.float32)
    if bad is not None:
        grads["b"][2] = bad
    expected, expected_norm = clip_global_norm(grads, limit)
    on_device = {name: to_device(g, strict_cupy) for name, g in grads.items()}
    with counting() as counts:
        clipped, norm = clip_global_norm(on_device, limit)
    assert not counts.stalls
    np.testing.assert_allclose(float(to_host(norm)), expected_norm, rtol=1e-6)
    for name, g in expected.items():
        assert clipped[name].dtype == np.float32
        np.testing.assert_allclose(to_host(clipped[name]), g, rtol=1e-6)


@pytest.mark.parametrize("limit", [0, -1, float("nan")])
def test_a_limit_that_is_not_positive_is_refused(limit):
    with pytest.raises(InputError, match=r"limit is .* but must be positive"):
        clip_global_norm(draw(0), limit)


def test_no_gradients_are_refused():
    with pytest.raises(InputError, match="there are no gradients"):
        global_norm({})
