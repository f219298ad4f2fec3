import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.arrays import textbook
from minicap.errors import DtypeError, InputError, ShapeError
from minicap.layers.pooling import (
    avg_pool_backward,
    avg_pool_forward,
    global_avg_pool_backward,
    global_avg_pool_forward,
    global_max_pool_backward,
    global_max_pool_forward,
    max_pool_backward,
    max_pool_forward,
)

pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
PAIRS = {
    max_pool_forward: max_pool_backward,
    avg_pool_forward: avg_pool_backward,
    global_avg_pool_forward: global_avg_pool_backward,
    global_max_pool_forward: global_max_pool_backward,
}


@st.composite
def calls(draw):
    """An image with ties in it, and options that fit."""
    size = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    pad = tuple(draw(st.integers(0, k // 2)) for k in size)
    image = [max(1, k - 2 * p) + draw(st.integers(0, 5)) for k, p in zip(size, pad, strict=True)]
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.integers(-3, 3, size=(draw(st.integers(1, 2)), draw(st.integers(1, 3)), *image)).astype(float)
    return x, dict(size=size, stride=draw(st.none() | pairs), pad=pad, ceil_mode=draw(st.booleans()))


def assert_close(got, expected):
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9 * max(1e-300, abs(expected).max()))


def assert_equals_torch(forward, oracle, x, options):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    leaf = torch.tensor(x, requires_grad=True)
    expected = oracle(torch)(leaf)
    with textbook():
        out, cache = forward(x, **options)
        dout = np.random.default_rng(1).normal(size=out.shape)
        dx = PAIRS[forward](dout, cache)
    assert_close(out, expected.detach().numpy())
    (want,) = torch.autograd.grad(expected, leaf, torch.tensor(dout))
    assert_close(dx, want.numpy())


@settings(max_examples=50)
@given(calls())
def test_max_pool_equals_pytorch_with_ties_going_to_the_first(call):
    x, o = call
    assert_equals_torch(
        max_pool_forward,
        lambda torch: (
            lambda leaf: torch.nn.functional.max_pool2d(
                leaf, o["size"], o["stride"], o["pad"], ceil_mode=o["ceil_mode"]
            )
        ),
        x,
        o,
    )


@settings(max_examples=50)
@given(calls(), st.booleans())
def test_avg_pool_equals_pytorch(call, count_include_pad):
    x, o = call
    assert_equals_torch(
        avg_pool_forward,
        lambda torch: (
            lambda leaf: torch.nn.functional.avg_pool2d(
                leaf, o["size"], o["stride"], o["pad"], o["ceil_mode"], count_include_pad
            )
        ),
        x,
        o | dict(count_include_pad=count_include_pad),
    )


@settings(max_examples=25)
@given(calls())
def test_global_pools_equal_pytorch(call):
    x, _ = call
    assert_equals_torch(global_avg_pool_forward, lambda torch: lambda leaf: leaf.mean((2, 3)), x, {})
    assert_equals_torch(global_max_pool_forward, lambda torch: lambda leaf: leaf.flatten(2).max(2)[0], x, {})


def test_the_first_of_equal_maxima_gets_the_gradient():
    x = np.array([[[[1.0, 5], [5, 5]]]])
    dout = np.array([[[[7.0]]]])
    dx = max_pool_backward(dout, max_pool_forward(x)[1])
    np.testing.assert_array_equal(dx, [[[[0, 7], [0, 0]]]])
    dx = global_max_pool_backward(dout[0, 0], global_max_pool_forward(x)[1])
    np.testing.assert_array_equal(dx, [[[[0, 7], [0, 0]]]])


def test_where_windows_overlap_each_gives_its_gradient_to_its_own_first_maximum():
    x = np.array([[[[5.0, 5, 5, 1]]]])
    out, cache = max_pool_forward(x, size=(1, 2), stride=1)
    np.testing.assert_array_equal(out, [[[[5, 5, 5]]]])
    np.testing.assert_array_equal(max_pool_backward(np.array([[[[1.0, 2, 4]]]]), cache), [[[[1, 2, 4, 0]]]])


def test_a_pixel_that_wins_in_two_windows_gets_the_sum():
    x = np.array([[[[1.0, 9, 2]]]])
    out, cache = max_pool_forward(x, size=(1, 2), stride=1)
    np.testing.assert_array_equal(out, [[[[9, 9]]]])
    np.testing.assert_array_equal(max_pool_backward(np.array([[[[3.0, 4]]]]), cache), [[[[0, 7, 0]]]])


def test_padding_never_wins_over_negative_pixels():
    x = -np.ones((1, 1, 2, 2))
    out, cache = max_pool_forward(x, size=2, pad=1)
    np.testing.assert_array_equal(out, -np.ones((1, 1, 2, 2)))
    np.testing.assert_array_equal(max_pool_backward(np.ones_like(out), cache), np.ones_like(x))


def test_a_stride_that_does_not_fit_leaves_the_last_pixels_out_unless_in_ceil_mode():
    x = np.arange(5.0).reshape(1, 1, 1, 5)
    np.testing.assert_array_equal(max_pool_forward(x, size=(1, 2))[0], [[[[1, 3]]]])
    np.testing.assert_array_equal(max_pool_forward(x, size=(1, 2), ceil_mode=True)[0], [[[[1, 3, 4]]]])
    np.testing.assert_array_equal(avg_pool_forward(x, size=(1, 2), ceil_mode=True)[0], [[[[0.5, 2.5, 4]]]])


def test_padding_counts_in_the_average_or_not():
    x = np.array([[[[6.0]]]])
    assert avg_pool_forward(x, size=2, pad=1, stride=2)[0].item() == 1.5
    assert avg_pool_forward(x, size=2, pad=1, stride=2, count_include_pad=False)[0].item() == 6


@pytest.mark.parametrize("forward", PAIRS)
def test_dtype_in_is_dtype_out_and_any_memory_order_gives_the_same(forward, rng):
    x = rng.normal(size=(2, 3, 5, 6)).astype(np.float32)
    x.flags.writeable = False
    out, cache = forward(x)
    out.flags.writeable = False
    dx = PAIRS[forward](out, cache)
    assert (out.dtype, dx.dtype, dx.shape) == (np.float32, np.float32, x.shape)
    same, cache = forward(np.ascontiguousarray(x.transpose(2, 3, 0, 1)).transpose(2, 3, 0, 1))
    np.testing.assert_allclose(same, out, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(PAIRS[forward](np.asfortranarray(out), cache), dx, rtol=1e-6, atol=1e-6)


X = np.zeros((2, 3, 4, 5))


@pytest.mark.parametrize("forward", [max_pool_forward, avg_pool_forward])
@pytest.mark.parametrize(
    ("error", "message", "x", "options"),
    [
        (ShapeError, r"the window \(5, 5\) is larger than the padded image \(4, 5\)", X, dict(size=5)),
        (ShapeError, r"pad \(2, 2\) is more than half the window \(3, 3\)", X, dict(size=3, pad=2)),
        (InputError, r"size is 0 but", X, dict(size=0)),
        (InputError, r"stride is 0 but", X, dict(stride=(1, 0))),
        (InputError, r"pad is 'same' but", X, dict(pad="same")),
    ],
)
def test_a_window_that_cannot_be_is_named(forward, error, message, x, options):
    with pytest.raises(error, match=rf"^{forward.__name__}: {message}"):
        forward(x, **options)


@pytest.mark.parametrize("forward", PAIRS)
@pytest.mark.parametrize(
    ("error", "message", "x"),
    [
        (ShapeError, r"x has 3 axes \(3, 4, 5\)", X[0]),
        (ShapeError, r"x is empty \(0, 3, 4, 5\)", X[:0]),
        (DtypeError, r"x is uint8 but", X.astype(np.uint8)),
        (DtypeError, r"x is float16 but", X.astype(np.float16)),
    ],
)
def test_bad_images_are_named(forward, error, message, x):
    with pytest.raises(error, match=rf"^{forward.__name__}: {message}"):
        forward(x)


@pytest.mark.parametrize("forward", PAIRS)
def test_an_upstream_gradient_of_another_shape_is_refused(forward):
    out, cache = forward(X)
    backward = PAIRS[forward]
    with pytest.raises(ShapeError, match=rf"^{backward.__name__}: dout is"):
        backward(out[:, :2], cache)
