import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.errors import DtypeError, ShapeError
from minicap.layers.affine import affine_forward
from minicap.layers.temporal import temporal_affine_backward, temporal_affine_forward


def test_every_step_is_an_affine_layer_of_its_own(rng):
    x, w, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 5)), rng.normal(size=5)
    out, _ = temporal_affine_forward(x, w, b)
    for t in range(3):
        np.testing.assert_allclose(out[:, t], affine_forward(x[:, t], w, b)[0], rtol=1e-14)


@settings(max_examples=30)
@given(sizes=st.tuples(*[st.integers(1, 5)] * 4), time_first=st.booleans(), seed=st.integers(0, 99))
def test_temporal_affine_equals_pytorch_linear_on_any_strides(sizes, time_first, seed):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    N, T, D, M = sizes
    rng = np.random.default_rng(seed)
    x, dout = rng.normal(size=(N, T, D)), rng.normal(size=(N, T, M))
    if time_first:  # the memory order a recurrent layer leaves behind
        x, dout = (np.ascontiguousarray(a.swapaxes(0, 1)).swapaxes(0, 1) for a in (x, dout))
    w, b = rng.normal(size=(D, M)), rng.normal(size=M)

    out, cache = temporal_affine_forward(x, w, b)
    theirs = [torch.tensor(a, requires_grad=True) for a in (x, w, b)]
    expected = torch.nn.functional.linear(theirs[0], theirs[1].T, theirs[2])
    expected.backward(torch.tensor(dout))

    np.testing.assert_allclose(out, expected.detach(), rtol=0, atol=1e-12)
    for gradient, array in zip(temporal_affine_backward(dout, cache), theirs, strict=True):
        np.testing.assert_allclose(gradient, array.grad, rtol=0, atol=1e-12)


def test_float32_stays_float32(rng):
    x, w, b = (rng.normal(size=s).astype(np.float32) for s in [(2, 3, 4), (4, 5), (5,)])
    out, cache = temporal_affine_forward(x, w, b)
    assert {a.dtype for a in (out, *temporal_affine_backward(out, cache))} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": np.ones((2, 4))}, ShapeError, r"x has 2 axes \(2, 4\) but must be \(N T D\)"),
        ({"w": np.ones((3, 5))}, ShapeError, "w does not fit x: D is 4 in x .* but 3 in w"),
        ({"b": np.ones(4)}, ShapeError, "b does not fit w: M is 5"),
        ({"x": np.ones((0, 3, 4))}, ShapeError, "x is empty"),
        ({"x": np.ones((2, 3, 4), dtype=np.float32)}, DtypeError, "x is float32 but w is float64"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(change, error, message):
    arrays = {"x": np.ones((2, 3, 4)), "w": np.ones((4, 5)), "b": np.ones(5)} | change
    with pytest.raises(error, match=f"temporal_affine_forward: {message}"):
        temporal_affine_forward(**arrays)


def test_an_upstream_gradient_of_another_shape_is_refused():
    _, cache = temporal_affine_forward(np.ones((2, 3, 4)), np.ones((4, 5)), np.ones(5))
    with pytest.raises(ShapeError, match=r"dout is \(2, 3, 4\) but the forward's output is \(2, 3, 5\)"):
        temporal_affine_backward(np.ones((2, 3, 4)), cache)
