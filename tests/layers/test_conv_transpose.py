import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.arrays import textbook
from minicap.errors import DtypeError, InputError, ShapeError
from minicap.layers.conv import conv_backward, conv_forward
from minicap.layers.conv_transpose import conv_transpose_backward, conv_transpose_forward

pairs = {low: st.tuples(st.integers(low, low + 2), st.integers(low, low + 2)) for low in (0, 1)}


@st.composite
def calls(draw):
    """Arrays and options of one transposed convolution that leaves something."""
    groups, made = draw(st.sampled_from([1, 1, 2, 3])), draw(st.integers(1, 3))
    size, stride, dilation, pad = draw(pairs[1]), draw(pairs[1]), draw(pairs[1]), draw(pairs[0])
    output_pad = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
    image = [2 * p + draw(st.integers(1, 3)) for p in pad]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    C = groups * draw(st.integers(1, 3))
    x, w = rng.normal(size=(draw(st.integers(1, 3)), C, *image)), rng.normal(size=(C, made, *size))
    b = rng.normal(size=groups * made) if draw(st.booleans()) else None
    return (x, w, b), dict(stride=stride, pad=pad, dilation=dilation, groups=groups, output_pad=output_pad)


def assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * max(1e-300, abs(expected).max()))


@settings(max_examples=50)
@given(calls())
def test_conv_transpose_equals_pytorch(call):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    arrays, o = call
    leaves = [None if a is None else torch.tensor(a, requires_grad=True) for a in arrays]
    expected = torch.nn.functional.conv_transpose2d(
        *leaves, o["stride"], o["pad"], o["output_pad"], o["groups"], o["dilation"]
    )
    with textbook():
        out, cache = conv_transpose_forward(*arrays, **o)
        dout = np.random.default_rng(1).normal(size=out.shape)
        grads = conv_transpose_backward(dout, cache)
    assert_close(out, expected.detach().numpy())
    leaves = [leaf for leaf in leaves if leaf is not None]
    given = [grad for grad, array in zip(grads, arrays, strict=True) if array is not None]
    for got, want in zip(given, torch.autograd.grad(expected, leaves, torch.tensor(dout)), strict=True):
        assert_close(got, want.numpy())


def test_a_pixel_stamps_the_filter():
    x, w = np.zeros((1, 1, 2, 2)), np.array([[[[1.0, 2], [3, 4]]]])
    x[0, 0, 0, 1] = 10
    out, _ = conv_transpose_forward(x, w, np.array([5.0]), stride=2)
    np.testing.assert_array_equal(out[0, 0] - 5, [[0, 0, 10, 20], [0, 0, 30, 40], [0] * 4, [0] * 4])


def test_it_is_the_backward_of_conv(rng):
    image, w = rng.normal(size=(2, 4, 6, 7)), rng.normal(size=(6, 2, 3, 2))
    scores, cache = conv_forward(image, w, None, stride=2, pad=1, groups=2)
    dimage, _, _ = conv_backward(scores, cache)
    out, _ = conv_transpose_forward(scores, w, None, stride=2, pad=1, groups=2, output_pad=(1, 1))
    np.testing.assert_allclose(out, dimage, rtol=1e-12, atol=1e-12)


def test_dtype_in_is_dtype_out_and_any_memory_order_gives_the_same(rng):
    arrays = [rng.normal(size=s).astype(np.float32) for s in ((2, 4, 3, 2), (4, 3, 2, 3), (6,))]
    for array in arrays:
        array.flags.writeable = False
    x, w, b = arrays
    out, cache = conv_transpose_forward(x, w, b, stride=2, groups=2)
    grads = conv_transpose_backward(out, cache)
    assert {a.dtype for a in (out, *grads)} == {np.dtype(np.float32)}
    reordered = np.ascontiguousarray(x.T).T, np.ascontiguousarray(w.T).T, np.repeat(b, 2)[::2]
    same, cache = conv_transpose_forward(*reordered, stride=2, groups=2)
    np.testing.assert_allclose(same, out, rtol=1e-5, atol=1e-5)
    for got, expected in zip(conv_transpose_backward(np.asfortranarray(out), cache), grads, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


X, W, B = np.zeros((2, 4, 3, 5)), np.zeros((4, 3, 2, 2)), np.zeros(3)


@pytest.mark.parametrize(
    ("error", "message", "arrays", "options"),
    [
        (ShapeError, r"x has 3 axes", (X[0], W, B), {}),
        (ShapeError, r"w does not fit x: C is 4 in x", (X, W[:3], B), {}),
        (ShapeError, r"4 channels cannot be split into 3 groups", (X, W, B), dict(groups=3)),
        (ShapeError, r"b has 3 entries but w makes 6 channels", (X, W, B), dict(groups=2)),
        (
            ShapeError,
            r"pad \(2, 2\) cuts everything off: the output would be \(0, 2\)",
            (X, W, B),
            dict(pad=2),
        ),
        (ShapeError, r"x is empty", (X[:0], W, B), {}),
        (InputError, r"output_pad \(2, 2\) must be less", (X, W, B), dict(stride=2, output_pad=2)),
        (InputError, r"pad is 'same' but", (X, W, B), dict(pad="same")),
        (InputError, r"stride is 0 but", (X, W, B), dict(stride=0)),
        (DtypeError, r"b is float32", (X, W, B.astype(np.float32)), {}),
    ],
)
def test_bad_input_is_named(error, message, arrays, options):
    with pytest.raises(error, match=rf"^conv_transpose_forward: .*{message}"):
        conv_transpose_forward(*arrays, **options)


def test_an_upstream_gradient_of_another_shape_is_refused():
    out, cache = conv_transpose_forward(X, W, B)
    with pytest.raises(ShapeError, match=r"conv_transpose_backward: dout is"):
        conv_transpose_backward(out[:1], cache)
