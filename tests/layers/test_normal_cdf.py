import math

import numpy as np
import pytest

from minicap.layers.normal_cdf import normal_cdf, normal_pdf

GRID = np.concatenate([np.linspace(-37, 9, 2001), [0.0, -0.0, 1e-300, -1e-9]])


def test_the_cumulative_function_is_exact_to_rounding_in_float64():
    expected = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in GRID])
    np.testing.assert_allclose(normal_cdf(GRID), expected, rtol=0, atol=5e-16)


def test_the_left_tail_is_relatively_accurate():
    x = GRID[GRID < 0]
    expected = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in x])
    error = np.abs(normal_cdf(x) - expected) / expected
    assert (error <= 3e-15 + 3e-16 * x**2).all()


def test_float32_stays_float32_and_is_exact_to_rounding():
    x = GRID.astype(np.float32)
    expected = [0.5 * math.erfc(-float(v) / math.sqrt(2)) for v in x]
    assert normal_cdf(x).dtype == np.float32
    np.testing.assert_allclose(normal_cdf(x), expected, rtol=0, atol=1.2e-7)


def test_the_two_sides_add_up_to_one():
    np.testing.assert_allclose(normal_cdf(GRID) + normal_cdf(-GRID), 1, rtol=0, atol=3e-16)


def test_infinities_have_their_limits_and_nan_stays_nan():
    np.testing.assert_array_equal(normal_cdf(np.array([-np.inf, np.inf, np.nan])), [0, 1, np.nan])


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_a_complex_step_gives_the_density(dtype):
    x = GRID.astype(dtype) + dtype(1e-20j)
    assert normal_cdf(x).dtype == dtype
    tolerance = 1e-15 if dtype is np.complex128 else 1e-6
    np.testing.assert_allclose(normal_cdf(x).imag / 1e-20, normal_pdf(GRID), rtol=0, atol=tolerance)
