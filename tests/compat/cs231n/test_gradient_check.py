"""CS231n's numeric gradients on functions whose gradients are known."""

import numpy as np
import pytest

from minicap.compat.cs231n.gradient_check import (
    eval_numerical_gradient,
    eval_numerical_gradient_array,
    eval_numerical_gradient_blobs,
    eval_numerical_gradient_net,
    grad_check_sparse,
    rel_error,
)


def test_a_scalar_function():
    x = np.array([[1.0, 2.0], [3.0, -4.0]])
    gradient = eval_numerical_gradient(lambda x: (x**3).sum(), x, verbose=False)
    np.testing.assert_allclose(gradient, 3 * x**2, rtol=1e-8)


def test_a_function_that_looks_at_the_parameter_instead_of_its_argument():
    w = np.array([1.0, 2.0])
    np.testing.assert_allclose(eval_numerical_gradient(lambda _: w[0] * w[1], w, verbose=False), [2, 1])
    np.testing.assert_array_equal(w, [1, 2])


def test_an_array_function_is_weighted_with_df():
    x, df = np.array([1.0, 2.0, 3.0]), np.array([1.0, -1.0, 0.5])
    np.testing.assert_allclose(eval_numerical_gradient_array(np.square, x, df), 2 * x * df, rtol=1e-8)
    buffer = np.empty(3)
    same_buffer = eval_numerical_gradient_array(lambda x: np.square(x, out=buffer), x, df)
    np.testing.assert_allclose(same_buffer, 2 * x * df, rtol=1e-8)


class Blob:
    def __init__(self, vals):
        self.vals, self.diffs = np.array(vals, dtype=float), np.zeros(np.shape(vals))


@pytest.fixture
def blobs():
    x, w, out = Blob([[1.0, 2.0]]), Blob([[3.0], [-1.0]]), Blob([[0.0]])
    out.diffs[...] = 10.0
    return x, w, out


def test_blobs_get_a_gradient_each(blobs):
    x, w, out = blobs

    def f(x, w, out):
        out.vals[...] = x.vals @ w.vals

    dx, dw = eval_numerical_gradient_blobs(f, (x, w), out)
    np.testing.assert_allclose(dx, [[30, -10]], rtol=1e-8)
    np.testing.assert_allclose(dw, [[10], [20]], rtol=1e-8)
    assert x.vals.tolist() == [[1, 2]]


def test_a_net_reads_and_writes_its_blobs_itself(blobs):
    x, w, out = blobs

    class Net:
        def forward(self):
            out.vals = x.vals @ w.vals  # a new array each time

    (dx,) = eval_numerical_gradient_net(Net(), [x], out)
    np.testing.assert_allclose(dx, [[30, -10]], rtol=1e-8)


def test_x_is_restored_when_the_function_fails():
    x = np.array([1.0])
    with pytest.raises(ZeroDivisionError):
        eval_numerical_gradient(lambda x: 1 // 0, x)
    assert x[0] == 1


def test_verbose_prints_every_entry(capsys):
    eval_numerical_gradient(lambda x: x.sum(), np.zeros((2, 2)))
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_a_sparse_check_prints_a_line_for_each_draw(capsys):
    x = np.arange(6.0).reshape(2, 3)
    grad_check_sparse(lambda x: (x**2).sum(), x, 2 * x, num_checks=5)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5
    assert all(float(line.split()[-1]) < 1e-6 for line in lines)


def test_the_relative_error_is_of_the_worst_entry():
    assert rel_error(np.array([1.0, 1.0]), np.array([1.0, 3.0])) == 0.5
    assert rel_error(np.zeros(2), np.zeros(2)) == 0
