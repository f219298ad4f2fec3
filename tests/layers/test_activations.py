import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicap.arrays import BackendMismatch
from minicap.errors import DtypeError, ShapeError
from minicap.layers import activations
from minicap.layers.checks import complex_numbers

NAMES = ["relu", "leaky_relu", "relu6", "elu", "gelu", "silu", "sigmoid", "tanh"]


def pair(name):
    return getattr(activations, f"{name}_forward"), getattr(activations, f"{name}_backward")


def forward_and_backward(name, x, dout, **options):
    forward, backward = pair(name)
    out, cache = forward(x, **options)
    return out, backward(dout, cache)


def test_rectifiers_on_hand_computed_numbers():
    x = np.array([-2.0, -0.5, 0.0, 3.0, 7.0])
    np.testing.assert_array_equal(pair("relu")[0](x)[0], [0, 0, 0, 3, 7])
    np.testing.assert_array_equal(pair("relu6")[0](x)[0], [0, 0, 0, 3, 6])
    np.testing.assert_array_equal(pair("leaky_relu")[0](x, slope=0.1)[0], [-0.2, -0.05, 0, 3, 7])
    np.testing.assert_allclose(
        pair("elu")[0](x, alpha=2.0)[0], [2 * (math.exp(-2) - 1), 2 * (math.exp(-0.5) - 1), 0, 3, 7]
    )


def test_smooth_activations_on_hand_computed_numbers():
    log3, phi = math.log(3), (1 + math.erf(0.5**0.5)) / 2
    cases = {  # x, out, slope
        "sigmoid": (log3, 3 / 4, 3 / 16),
        "tanh": (log3 / 2, 1 / 2, 3 / 4),
        "silu": (log3, 3 / 4 * log3, 3 / 4 + 3 / 16 * log3),
        "gelu": (1.0, phi, phi + math.exp(-0.5) / (2 * math.pi) ** 0.5),
    }
    for name, (x, out, slope) in cases.items():
        np.testing.assert_allclose(
            forward_and_backward(name, np.array([x]), np.ones(1)), [[out], [slope]], rtol=1e-14
        )


@pytest.mark.parametrize(
    ("name", "options", "at_kinks"),
    [("relu", {}, [0, 1]), ("leaky_relu", {"slope": 0.1}, [0.1, 1]), ("relu6", {}, [0, 0]),
     ("elu", {"alpha": 0.3}, [0.3, 1])],
)  # fmt: skip
def test_the_slope_at_a_kink_is_the_documented_one(name, options, at_kinks):
    _, dx = forward_and_backward(name, np.array([0.0, 6.0]), np.ones(2), **options)
    np.testing.assert_array_equal(dx, at_kinks)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(data=st.data())
def test_activations_equal_pytorch(name, data):
    torch = pytest.importorskip("torch", reason="PyTorch is the oracle")
    theirs = {"leaky_relu": torch.nn.functional.leaky_relu, "relu6": torch.nn.functional.relu6,
              "elu": torch.nn.functional.elu, "gelu": torch.nn.functional.gelu,
              "silu": torch.nn.functional.silu}.get(name) or getattr(torch, name)  # fmt: skip
    names = {"leaky_relu": ("slope", "negative_slope"), "elu": ("alpha", "alpha")}
    value = data.draw(st.sampled_from([0.01, 0.3, 1.0]))
    ours, torchs = names.get(name, (None, None))
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    x, dout = rng.normal(size=shape) * data.draw(st.sampled_from([0.1, 3, 30])), rng.normal(size=shape)

    out, dx = forward_and_backward(name, x, dout, **({ours: value} if ours else {}))
    x_torch = torch.tensor(x, requires_grad=True)
    expected = theirs(x_torch, **({torchs: value} if torchs else {}))
    expected.backward(torch.tensor(dout))

    np.testing.assert_allclose(out, expected.detach(), rtol=0, atol=1e-12 * np.abs(x).max())
    np.testing.assert_allclose(dx, x_torch.grad, rtol=0, atol=1e-12 * np.abs(dout).max())


@pytest.mark.parametrize("name", ["gelu", "silu", "sigmoid", "tanh"])
def test_complex_step_gives_the_slope_of_smooth_activations(name):
    x = np.linspace(-6, 6, 41)
    _, dx = forward_and_backward(name, x, np.ones_like(x))
    with complex_numbers():
        stepped, _ = pair(name)[0](x + 1e-30j)
    np.testing.assert_allclose(stepped.imag / 1e-30, dx, rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", NAMES)
def test_a_million_in_either_direction_neither_overflows_nor_becomes_nan(name):
    for dtype in (np.float32, np.float64):
        x = np.array([-1e6, 1e6], dtype=dtype)
        out, dx = forward_and_backward(name, x, np.ones_like(x))
        assert np.isfinite(out).all()
        assert np.isfinite(dx).all()


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_float32_and_agrees_with_float64(name, rng):
    x, dout = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    options = {"leaky_relu": {"slope": np.float64(0.2)}, "elu": {"alpha": np.float64(0.7)}}.get(name, {})
    out32, dx32 = forward_and_backward(name, x.astype(np.float32), dout.astype(np.float32), **options)
    out64, dx64 = forward_and_backward(name, x, dout, **options)
    assert out32.dtype == dx32.dtype == np.float32
    assert out64.dtype == dx64.dtype == np.float64
    np.testing.assert_allclose(out32, out64, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(dx32, dx64, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_strides_do_not_change_the_result(name, rng):
    x, dout = rng.normal(size=(4, 3, 5)).transpose(2, 0, 1), rng.normal(size=(5, 8, 3))[:, ::2]
    out, dx = forward_and_backward(name, x, dout)
    out_packed, dx_packed = forward_and_backward(name, x.copy(order="C"), dout.copy())
    np.testing.assert_array_equal(out, out_packed)
    np.testing.assert_array_equal(dx, dx_packed)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (np.ones((2, 3), dtype=int), DtypeError, r"{}_forward: x is int64 but must be float32 or float64"),
        (np.ones((2, 3), dtype=np.float16), DtypeError, r"{}_forward: x is float16 .* use float32"),
        (np.ones((0, 3)), ShapeError, r"{}_forward: x is empty \(0, 3\)"),
        ([1.0, 2.0], BackendMismatch, r"x is a list, not an array"),
    ],
)
def test_what_is_no_float_array_is_refused(name, x, error, message):
    with pytest.raises(error, match=message.format(name)):
        pair(name)[0](x)


@pytest.mark.parametrize("name", NAMES)
def test_an_upstream_gradient_of_another_shape_is_refused(name):
    forward, backward = pair(name)
    _, cache = forward(np.ones((2, 3)))
    with pytest.raises(ShapeError, match=rf"{name}_backward: dout is \(3, 2\) but .* \(2, 3\)"):
        backward(np.ones((3, 2)), cache)
