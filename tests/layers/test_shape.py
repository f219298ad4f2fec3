import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.arrays import BackendMismatch
from minicap.errors import DtypeError, ShapeError
from minicap.layers.shape import (
    add_backward,
    add_forward,
    concat_backward,
    concat_forward,
    flatten_backward,
    flatten_forward,
    scale_backward,
    scale_forward,
    scale_shift_backward,
    scale_shift_forward,
    split_backward,
    split_forward,
)


def test_flatten_lays_out_the_last_axis_fastest():
    x = np.arange(12.0).reshape(2, 3, 2)
    out, cache = flatten_forward(x)
    np.testing.assert_array_equal(out, [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]])
    np.testing.assert_array_equal(flatten_backward(out, cache), x)


@pytest.mark.parametrize("shape", [(3,), (3, 4), (1, 1, 1, 1), (2, 3, 4, 5)])
def test_flatten_keeps_the_batch_axis_of_any_input(shape, rng):
    x = rng.normal(size=shape)
    out, cache = flatten_forward(np.asfortranarray(x))
    np.testing.assert_array_equal(out, x.reshape(shape[0], -1))
    np.testing.assert_array_equal(flatten_backward(np.asfortranarray(out), cache), x)


@settings(max_examples=40)
@given(data=st.data())
def test_concat_and_its_gradient_equal_pytorch(data):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=2, max_size=5))
    rng = np.random.default_rng(0)
    shapes = [[size if i == axis % len(shape) else n for i, n in enumerate(shape)] for size in sizes]
    arrays = [rng.normal(size=s) for s in shapes]

    out, cache = concat_forward(*arrays, axis=axis)
    dout = rng.normal(size=out.shape)
    gradients = concat_backward(dout, cache)
    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    expected = torch.cat(tensors, dim=axis)
    expected.backward(torch.tensor(dout))

    np.testing.assert_array_equal(out, expected.detach())
    for gradient, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_array_equal(gradient, tensor.grad)


@settings(max_examples=40)
@given(data=st.data())
def test_split_undoes_concat_and_its_gradient_undoes_the_split(data):
    shape = data.draw(st.lists(st.integers(1, 6), min_size=1, max_size=4))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    cuts = sorted(data.draw(st.sets(st.integers(1, max(1, shape[axis] - 1)), max_size=3)) - {shape[axis]})
    sizes = np.diff([0, *cuts, shape[axis]]).tolist()
    x = np.random.default_rng(0).normal(size=shape)
    *pieces, cache = split_forward(x, sizes, axis=axis)
    assert [piece.shape[axis] for piece in pieces] == sizes
    np.testing.assert_array_equal(np.concatenate(pieces, axis=axis), x)
    np.testing.assert_array_equal(split_backward(*pieces, cache), x)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_add_sums_any_number_of_arrays_and_hands_each_the_gradient(count, rng):
    arrays = rng.normal(size=(count, 2, 3, 4))
    out, cache = add_forward(*arrays)
    np.testing.assert_allclose(out, arrays.sum(axis=0), rtol=1e-14, atol=1e-15)
    gradients = add_backward(out, cache)
    assert len(gradients) == count
    for gradient in gradients:
        np.testing.assert_array_equal(gradient, out)


@settings(max_examples=30)
@given(shape=st.lists(st.integers(1, 4), min_size=2, max_size=4), seed=st.integers(0, 2**32))
def test_scale_shift_and_its_gradient_equal_pytorch(shape, seed):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    rng = np.random.default_rng(seed)
    arrays = rng.normal(size=shape), rng.normal(size=shape[1]), rng.normal(size=shape[1])
    dout = rng.normal(size=shape)
    out, cache = scale_shift_forward(*arrays)
    gradients = scale_shift_backward(dout, cache)

    x, scale, shift = tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    column = (-1, *(1,) * (len(shape) - 2))
    expected = scale.reshape(column) * x + shift.reshape(column)
    expected.backward(torch.tensor(dout))
    np.testing.assert_allclose(out, expected.detach(), rtol=0, atol=1e-14)
    for gradient, tensor in zip(gradients, tensors, strict=True):
        np.testing.assert_allclose(gradient, tensor.grad, rtol=0, atol=1e-12)


def test_scale_multiplies_and_hands_the_gradient_back_multiplied():
    x = np.array([[3.0, -6.0]], dtype=np.float32)
    out, cache = scale_forward(x, np.float64(1 / 3))
    assert out.dtype == np.float32
    np.testing.assert_allclose(out, [[1, -2]], rtol=1e-7)
    np.testing.assert_allclose(scale_backward(np.ones_like(x), cache), [[1 / 3, 1 / 3]], rtol=1e-7)
    with pytest.raises(ShapeError, match="scale_backward: dout"):
        scale_backward(x[:, :1], cache)


def test_float32_stays_float32():
    a, c = np.ones((2, 3, 4), dtype=np.float32), np.ones(3, dtype=np.float32)
    for out, cache in (flatten_forward(a), concat_forward(a, a, a), add_forward(a, a, a)):
        assert out.dtype == np.float32, cache
    assert split_forward(a, [1, 2])[0].dtype == np.float32
    out, cache = scale_shift_forward(a, c, c)
    assert {out.dtype, *(g.dtype for g in scale_shift_backward(a, cache))} == {np.dtype(np.float32)}


def test_strides_do_not_change_the_result(rng):
    a, b = rng.normal(size=(2, 2, 3, 4))
    f = np.asfortranarray
    np.testing.assert_array_equal(concat_forward(f(a), b)[0], concat_forward(a, b)[0])
    np.testing.assert_array_equal(add_forward(f(a), b)[0], add_forward(a, b)[0])
    for strided, packed in zip(split_forward(f(a), [1, 2])[:2], split_forward(a, [1, 2])[:2], strict=True):
        np.testing.assert_array_equal(strided, packed)
    out, cache = scale_shift_forward(f(a), b[0, :, 0], b[1, :, 0])
    np.testing.assert_array_equal(out, scale_shift_forward(a, b[0, :, 0], b[1, :, 0])[0])
    for strided, packed in zip(
        scale_shift_backward(f(b), cache), scale_shift_backward(b, cache), strict=True
    ):
        np.testing.assert_allclose(strided, packed, rtol=0, atol=1e-14)


A = np.ones((2, 3, 4))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: flatten_forward(np.ones(())), ShapeError, "flatten_forward: x has 0 axes"),
        (lambda: flatten_forward(np.ones((0, 3))), ShapeError, "flatten_forward: x is empty"),
        (lambda: flatten_forward(A.astype(int)), DtypeError, "flatten_forward: x is int64"),
        (
            lambda: concat_forward(A, np.ones((2, 3, 5))),
            ShapeError,
            r"concat_forward: b and a differ in more than axis 1 \(a \(2, 3, 4\), b \(2, 3, 5\)\)",
        ),
        (
            lambda: concat_forward(A, A, np.ones((2, 3))),
            ShapeError,
            "array3 and a differ in more than axis 1",
        ),
        (lambda: concat_forward(A, A, axis=3), ShapeError, "concat_forward: there is no axis 3 in a"),
        (lambda: concat_forward(A, A, axis=-4), ShapeError, "concat_forward: there is no axis -4 in a"),
        (lambda: concat_forward(A, A.astype(np.float32)), DtypeError, "a is float64 but b is float32"),
        (lambda: concat_forward(A, [1.0]), BackendMismatch, "b is a list, not an array"),
        (
            lambda: split_forward(A, [1, 1]),
            ShapeError,
            r"split_forward: sizes must be positive and add up to 3, .* \(x \(2, 3, 4\), sizes \[1, 1\]\)",
        ),
        (lambda: split_forward(A, [4, -1]), ShapeError, "split_forward: sizes must be positive"),
        (lambda: split_forward(A, []), ShapeError, "split_forward: sizes must be positive"),
        (lambda: split_forward(A, [3], axis=7), ShapeError, "split_forward: there is no axis 7 in x"),
        (
            lambda: add_forward(A, np.ones((2, 3, 1))),
            ShapeError,
            r"add_forward: all arrays must have one shape \(a \(2, 3, 4\), b \(2, 3, 1\)\)",
        ),
        (lambda: add_forward(A, A, A[:1]), ShapeError, r"array3 \(1, 3, 4\)"),
        (
            lambda: scale_shift_forward(A, np.ones(4), np.ones(3)),
            ShapeError,
            "scale_shift_forward: scale does not fit x: C is 3 in x",
        ),
        (
            lambda: scale_shift_forward(np.ones(3), np.ones(3), np.ones(3)),
            ShapeError,
            "scale_shift_forward: x has 1 axes",
        ),
    ],
)
def test_arguments_that_do_not_fit_are_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: flatten_backward(A, flatten_forward(A)[1]), "flatten_backward: dout is"),
        (lambda: concat_backward(A, concat_forward(A, A)[1]), "concat_backward: dout is"),
        (lambda: add_backward(A[:1], add_forward(A, A)[1]), "add_backward: dout is"),
        (lambda: scale_shift_backward(A[:1], scale_shift_forward(A, A[0, :, 0], A[0, :, 0])[1]), "dout is"),
        (lambda: split_backward(A, A, split_forward(A, [1, 2])[-1]), r"split_backward: dout1 is \(2, 3, 4\)"),
        (lambda: split_backward(A, split_forward(A, [1, 2])[-1]), "the forward gave 2 pieces but here are 1"),
    ],
)
def test_an_upstream_gradient_of_another_shape_is_refused(call, message):
    with pytest.raises(ShapeError, match=message):
        call()
