from math import erfc, exp, pi, sqrt

import numpy as np

from minicap.backend.cpu.gelu import MIN_SIZE, gelu_backward, gelu_forward, supports


def test_value_and_slope_are_those_of_the_formula_to_float32():
    x = np.linspace(-16, 16, MIN_SIZE + 1, dtype=np.float32)
    out, cache = gelu_forward(x)
    phi = np.array([erfc(-u / sqrt(2)) / 2 for u in x.tolist()])
    density = np.array([exp(-u * u / 2) / sqrt(2 * pi) for u in x.tolist()])
    np.testing.assert_allclose(out, x * phi, rtol=3e-7, atol=5e-7)
    np.testing.assert_allclose(cache.slope, phi + x * density, rtol=0, atol=5e-7)
    np.testing.assert_array_equal(gelu_backward(np.ones_like(x), cache), cache.slope)


def test_float64_is_left_to_the_textbook():
    x = np.ones(MIN_SIZE)
    assert supports(x.astype(np.float32))
    assert not supports(x)
    assert not supports(x[:-1].astype(np.float32))
