from contextlib import nullcontext

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.arrays import textbook
from minicap.errors import BackendMismatch, DtypeError, InputError, ShapeError
from minicap.layers.conv import conv_backward, conv_forward

pairs = {low: st.tuples(st.integers(low, low + 2), st.integers(low, low + 2)) for low in (0, 1)}


@st.composite
def calls(draw):
    """Arrays and options of one convolution that fits."""
    groups, seen, made = draw(st.sampled_from([1, 1, 2, 3])), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    size, dilation, pad = draw(pairs[1]), draw(pairs[1]), draw(pairs[0])
    need = [max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(size, dilation, pad, strict=True)]
    image = [n + draw(st.integers(0, 4)) for n in need]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.normal(size=(draw(st.integers(1, 3)), groups * seen, *image))
    w = rng.normal(size=(groups * made, seen, *size))
    b = rng.normal(size=groups * made) if draw(st.booleans()) else None
    return (x, w, b), dict(stride=draw(pairs[1]), pad=pad, dilation=dilation, groups=groups)


def assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * max(1e-300, abs(expected).max()))


def assert_equals_torch(arrays, options):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    leaves = [None if a is None else torch.tensor(a, requires_grad=True) for a in arrays]
    expected = torch.nn.functional.conv2d(
        *leaves, options["stride"], options["pad"], options["dilation"], options["groups"]
    )
    out, cache = conv_forward(*arrays, **options)
    assert_close(out, expected.detach().numpy())
    dout = np.random.default_rng(1).normal(size=out.shape)
    leaves = [leaf for leaf in leaves if leaf is not None]
    grads = conv_backward(dout, cache)
    given = [grad for grad, array in zip(grads, arrays, strict=True) if array is not None]
    for got, want in zip(given, torch.autograd.grad(expected, leaves, torch.tensor(dout)), strict=True):
        assert_close(got, want.numpy())


def test_a_filter_of_ones_adds_up_its_window():
    x = np.arange(16.0).reshape(1, 1, 4, 4)
    out, cache = conv_forward(x, np.ones((1, 1, 2, 2)), np.array([100.0]), stride=2)
    np.testing.assert_array_equal(out, [[[[110, 118], [142, 150]]]])
    dx, dw, db = conv_backward(np.array([[[[1.0, 2], [3, 4]]]]), cache)
    np.testing.assert_array_equal(dx[0, 0], [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]])
    np.testing.assert_array_equal(dw[0, 0], [[2 * 2 + 8 * 3 + 10 * 4, 78], [108, 118]])
    np.testing.assert_array_equal(db, [10])


def test_every_group_of_filters_sees_its_own_channels_through_holes():
    x = np.array([[[[1.0, 2, 3]], [[10, 20, 30]]]])
    w = np.array([[[[1.0, 2]]], [[[3, 4]]]])
    out, cache = conv_forward(x, w, None, dilation=2, groups=2)
    np.testing.assert_array_equal(out, [[[[1 * 1 + 2 * 3]], [[3 * 10 + 4 * 30]]]])
    dx, dw, *_ = conv_backward(np.array([[[[1.0]], [[10]]]]), cache)
    np.testing.assert_array_equal(dx, [[[[1, 0, 2]], [[30, 0, 40]]]])
    np.testing.assert_array_equal(dw, [[[[1, 3]]], [[[100, 300]]]])


@settings(max_examples=50)
@given(calls())
def test_conv_equals_pytorch(call):
    arrays, options = call
    with textbook():
        assert_equals_torch(arrays, options)


@pytest.mark.filterwarnings("ignore:Using padding='same'")
@settings(max_examples=25)
@given(st.tuples(st.integers(1, 4), st.integers(1, 4)), pairs[1])
def test_same_padding_equals_pytorch_at_stride_one(size, dilation):
    rng = np.random.default_rng(0)
    arrays = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, *size)), rng.normal(size=4)
    with textbook():
        assert_equals_torch(arrays, dict(stride=1, pad="same", dilation=dilation, groups=1))


def test_same_padding_with_a_stride_puts_the_odd_zero_at_the_end():
    x = np.arange(1.0, 7).reshape(1, 1, 1, 6)
    out, _ = conv_forward(x, np.ones((1, 1, 1, 3)), None, stride=2, pad="same")
    np.testing.assert_array_equal(out[0, 0, 0], [1 + 2 + 3, 3 + 4 + 5, 5 + 6])


def test_a_stride_that_does_not_fit_leaves_the_last_pixels_out(rng):
    x, w = rng.normal(size=(1, 2, 6, 8)), rng.normal(size=(3, 2, 3, 3))
    out, cache = conv_forward(x, w, None, stride=2)
    assert out.shape == (1, 3, 2, 3)
    dx, _, db = conv_backward(np.ones_like(out), cache)
    assert db is None
    assert not dx[:, :, 5].any()
    assert not dx[:, :, :, 7].any()
    assert dx[:, :, :5, :7].all()


def test_dtype_in_is_dtype_out_and_inputs_stay(rng):
    arrays = [rng.normal(size=s).astype(np.float32) for s in ((2, 4, 5, 6), (6, 2, 3, 2), (6,))]
    for array in arrays:
        array.flags.writeable = False
    out, cache = conv_forward(*arrays, stride=2, pad=1, groups=2)
    out.flags.writeable = False
    assert {a.dtype for a in (out, *conv_backward(out, cache))} == {np.dtype(np.float32)}


def test_any_memory_order_gives_the_same(rng):
    x, w, b = rng.normal(size=(2, 4, 5, 6)), rng.normal(size=(6, 2, 3, 2)), rng.normal(size=6)

    def reorder(a):
        return np.ascontiguousarray(a.transpose(2, 3, 1, 0)).transpose(3, 2, 0, 1)

    out, cache = conv_forward(x, w, b, pad=1, groups=2)
    grads = conv_backward(out, cache)
    same, cache = conv_forward(reorder(x), reorder(w), np.repeat(b, 2)[::2], pad=1, groups=2)
    np.testing.assert_allclose(same, out, rtol=1e-12, atol=1e-12)
    for got, expected in zip(conv_backward(reorder(out), cache), grads, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-11)


X, W, B = np.zeros((2, 4, 5, 6)), np.zeros((6, 4, 3, 3)), np.zeros(6)


@pytest.mark.parametrize(
    ("error", "message", "arrays", "options"),
    [
        (ShapeError, r"x has 3 axes \(4, 5, 6\)", (X[0], W, B), {}),
        (ShapeError, r"x has 4 channels but w expects 3 \(x \(2, 4, 5, 6\), w \(6, 3", (X, W[:, :3], B), {}),
        (ShapeError, r"x has 4 channels but w expects 8 .*groups 2", (X, W, B), dict(groups=2)),
        (ShapeError, r"5 filters cannot be split into 2 groups", (X, W[:5, :2], B[:5]), dict(groups=2)),
        (ShapeError, r"b does not fit w: F is 6", (X, W, B[:5]), {}),
        (
            ShapeError,
            r"the window \(3, 3\) is larger than the padded image \(2, 6\)",
            (X[:, :, :2], W, B),
            {},
        ),
        (ShapeError, r"the window \(7, 5\) .*dilation \(3, 2\)", (X, W, B), dict(dilation=(3, 2))),
        (ShapeError, r"x is empty \(0, 4, 5, 6\)", (X[:0], W, B), {}),
        (InputError, r"stride is 0 but", (X, W, B), dict(stride=0)),
        (InputError, r"pad is -1 but", (X, W, B), dict(pad=-1)),
        (InputError, r"pad is 'valid' but", (X, W, B), dict(pad="valid")),
        (InputError, r"dilation is \(1, 1, 1\) but", (X, W, B), dict(dilation=(1, 1, 1))),
        (InputError, r"groups is 0\.5 but", (X, W, B), dict(groups=0.5)),
        (DtypeError, r"x is int64 but must be float32 or float64", (X.astype(int), W, B), {}),
        (DtypeError, r"x is float16 .* use float32", (X.astype(np.float16), W, B), {}),
        (DtypeError, r"x is float64 but w is float32", (X, W.astype(np.float32), B), {}),
        (BackendMismatch, r"w is a list, not an array", (X, W.tolist(), B), {}),
    ],
)
def test_bad_input_is_named(error, message, arrays, options):
    with pytest.raises(error, match=message):
        conv_forward(*arrays, **options)


def test_an_upstream_gradient_of_another_shape_is_refused():
    out, cache = conv_forward(X, W, B)
    with pytest.raises(ShapeError, match=r"conv_backward: dout is \(2, 6, 3, 3\) but .* \(2, 6, 3, 4\)"):
        conv_backward(out[:, :, :, 1:], cache)


@pytest.mark.parametrize("accelerate", [True, False])
@pytest.mark.parametrize(("channels", "groups"), [(3, 1), (20, 2)])
def test_without_the_gradient_of_its_input_the_others_are_the_same(rng, channels, groups, accelerate):
    x = rng.normal(size=(8, channels, 12, 12))
    w, b = rng.normal(size=(10, channels // groups, 4, 4)), rng.normal(size=10)
    with nullcontext() if accelerate else textbook():
        out, cache = conv_forward(x, w, b, groups=groups)
        _, dw, db = conv_backward(out, cache)
        nothing, only_dw, only_db = conv_backward(out, cache, input_gradient=False)
    assert nothing is None
    np.testing.assert_array_equal(only_dw, dw)
    np.testing.assert_array_equal(only_db, db)
