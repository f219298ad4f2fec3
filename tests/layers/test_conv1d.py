import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.errors import DtypeError, InputError, ShapeError
from minicap.layers.conv1d import conv1d_backward, conv1d_forward, glu_backward, glu_forward

small = st.integers(1, 4)


def assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * max(1e-300, abs(expected).max()))


@settings(max_examples=40)
@given(small, st.integers(1, 7), small, small, small, small, st.booleans())
def test_conv1d_equals_pytorch_padded_on_the_left(N, T, D, K, F, dilation, bias):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(N, T, D)), rng.normal(size=(K, D, F)), rng.normal(size=F) if bias else None
    leaves = [torch.tensor(a, requires_grad=True) for a in (x, w, b) if a is not None]
    padded = torch.nn.functional.pad(leaves[0].transpose(1, 2), (dilation * (K - 1), 0))
    expected = torch.nn.functional.conv1d(
        padded, leaves[1].permute(2, 1, 0), leaves[2] if bias else None, dilation=dilation
    ).transpose(1, 2)
    out, cache = conv1d_forward(x, w, b, dilation)
    assert_close(out, expected.detach().numpy())
    dout = rng.normal(size=out.shape)
    grads = conv1d_backward(dout, cache)
    assert len(grads) == 3
    assert (grads[2] is None) == (b is None)
    given = grads[: len(leaves)]
    for got, want in zip(given, torch.autograd.grad(expected, leaves, torch.tensor(dout)), strict=True):
        assert_close(got, want.numpy())


def test_a_step_sees_itself_and_the_past():
    x = np.array([[[1.0], [10], [100], [1000]]])
    w = np.array([[[3.0]], [[2]]])
    out, _ = conv1d_forward(x, w, np.array([0.5]))
    np.testing.assert_array_equal(out[0, :, 0], [2.5, 23.5, 230.5, 2300.5])
    out, _ = conv1d_forward(x, w, None, dilation=2)
    np.testing.assert_array_equal(out[0, :, 0], [2, 20, 203, 2030])


def test_the_future_changes_nothing(rng):
    x, w, b = rng.normal(size=(2, 6, 3)), rng.normal(size=(3, 3, 4)), rng.normal(size=4)
    changed = x.copy()
    changed[:, 4:] += 1
    out, other = conv1d_forward(x, w, b)[0], conv1d_forward(changed, w, b)[0]
    np.testing.assert_array_equal(out[:, :4], other[:, :4])
    assert (out[:, 4:] != other[:, 4:]).all()


@settings(max_examples=25)
@given(st.lists(small, min_size=0, max_size=3), small)
def test_glu_equals_pytorch(lead, F):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    rng = np.random.default_rng(0)
    x = 3 * rng.normal(size=(*lead, 2 * F))
    leaf = torch.tensor(x, requires_grad=True)
    expected = torch.nn.functional.glu(leaf, dim=-1)
    out, cache = glu_forward(x)
    assert_close(out, expected.detach().numpy())
    dout = rng.normal(size=out.shape)
    (want,) = torch.autograd.grad(expected, leaf, torch.tensor(dout))
    assert_close(glu_backward(dout, cache), want.numpy())


def test_a_closed_gate_lets_nothing_pass():
    out, cache = glu_forward(np.array([[7.0, 7.0, -800.0, 800.0]]))
    np.testing.assert_array_equal(out, [[0, 7]])
    np.testing.assert_array_equal(glu_backward(np.ones((1, 2)), cache), [[0, 1, 0, 0]])


def test_dtype_in_is_dtype_out_and_any_memory_order_gives_the_same(rng):
    arrays = [rng.normal(size=s).astype(np.float32) for s in ((2, 5, 4), (3, 4, 6), (6,))]
    for array in arrays:
        array.flags.writeable = False
    out, cache = conv1d_forward(*arrays)
    grads = conv1d_backward(out, cache)
    gated, gate_cache = glu_forward(out)
    dgated = glu_backward(gated, gate_cache)
    assert {a.dtype for a in (out, *grads, gated, dgated)} == {np.dtype(np.float32)}
    same, cache = conv1d_forward(*(np.asfortranarray(a) for a in arrays))
    np.testing.assert_allclose(same, out, rtol=1e-5, atol=1e-5)
    for got, expected in zip(conv1d_backward(np.asfortranarray(out), cache), grads, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(glu_forward(np.asfortranarray(out))[0], gated)


X, W, B = np.zeros((2, 5, 4)), np.zeros((3, 4, 6)), np.zeros(6)


@pytest.mark.parametrize(
    ("error", "message", "arrays", "options"),
    [
        (ShapeError, r"x has 2 axes", (X[0], W, B), {}),
        (ShapeError, r"w does not fit x: D is 4 in x", (X, W[:, :3], B), {}),
        (ShapeError, r"b does not fit w: F is 6", (X, W, B[:5]), {}),
        (ShapeError, r"x is empty", (X[:, :0], W, B), {}),
        (InputError, r"dilation is 0 but must be an integer of at least 1", (X, W, B), dict(dilation=0)),
        (InputError, r"dilation is \(1, 1\) but", (X, W, B), dict(dilation=(1, 1))),
        (DtypeError, r"x is int64", (X.astype(int), W, B), {}),
    ],
)
def test_bad_conv1d_input_is_named(error, message, arrays, options):
    with pytest.raises(error, match=rf"^conv1d_forward: {message}"):
        conv1d_forward(*arrays, **options)


@pytest.mark.parametrize(
    ("error", "message", "x"),
    [
        (ShapeError, r"the last axis, 3, cannot be split in half \(x \(2, 3\)\)", np.zeros((2, 3))),
        (ShapeError, r"x is empty", np.zeros((0, 4))),
        (ShapeError, r"x has 0 axes", np.zeros(())),
        (DtypeError, r"x is float16", np.zeros((2, 4), np.float16)),
    ],
)
def test_bad_glu_input_is_named(error, message, x):
    with pytest.raises(error, match=rf"^glu_forward: {message}"):
        glu_forward(x)


def test_upstream_gradients_of_another_shape_are_refused():
    _, cache = conv1d_forward(X, W, B)
    with pytest.raises(ShapeError, match=r"conv1d_backward: dout is \(2, 5, 4\)"):
        conv1d_backward(X, cache)
    _, gate_cache = glu_forward(X)
    with pytest.raises(ShapeError, match=r"glu_backward: dout is \(2, 5, 4\)"):
        glu_backward(X, gate_cache)
