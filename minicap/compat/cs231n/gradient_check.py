"""CS231n's numeric gradients, for notebooks.  minicap's own checker is minicap.gradcheck."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minicap.arrays import Array

__all__ = [
    "eval_numerical_gradient",
    "eval_numerical_gradient_array",
    "eval_numerical_gradient_blobs",
    "eval_numerical_gradient_net",
    "grad_check_sparse",
    "rel_error",
]


def eval_numerical_gradient(
    f: Callable[[Array], Any], x: Array, verbose: bool = True, h: float = 1e-5
) -> Array:
    """Central differences of a scalar f at x:  (f(x + h) - f(x - h)) / 2h  for every entry.

    x is changed in place, entry by entry, and restored, so f may look at it instead of at its argument.
    verbose: print every entry.  Returns the gradient like x.
    """
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = _on_both_sides(f, x, index, h)
        gradient[index] = (above - below) / (2 * h)
        if verbose:
            print(index, gradient[index])  # noqa: T201 - asked for
    return gradient


def eval_numerical_gradient_array(f: Callable[[Array], Any], x: Array, df: Array, h: float = 1e-5) -> Array:
    """Central differences of  sum(f(x) * df)  for an f that returns an array.  df: like f(x), or a number."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        above, below = _on_both_sides(f, x, index, h)
        gradient[index] = ((above - below) * df).sum() / (2 * h)
    return gradient


def eval_numerical_gradient_blobs(
    f: Callable[..., Any], inputs: Sequence[Any], output: Any, h: float = 1e-5
) -> list[Array]:
    """Central differences of  sum(output.vals * output.diffs)  for an f that writes its result into a blob.

    A blob has two arrays, vals and diffs.  f(*inputs, output) fills output.vals; output.diffs is the
    upstream gradient.  Returns for each input what a backward should put into its diffs.
    """

    def forward(_: Array) -> Array:
        f(*inputs, output)
        return np.asarray(output.vals)

    return [eval_numerical_gradient_array(forward, blob.vals, output.diffs, h) for blob in inputs]


def eval_numerical_gradient_net(net: Any, inputs: Sequence[Any], output: Any, h: float = 1e-5) -> list[Array]:
    """eval_numerical_gradient_blobs of net.forward(), which reads the inputs and writes the output itself."""
    return eval_numerical_gradient_blobs(lambda *_: net.forward(), inputs, output, h)


def grad_check_sparse(
    f: Callable[[Array], Any], x: Array, analytic_grad: Array, num_checks: int = 10, h: float = 1e-5
) -> None:
    """Print the numeric and the analytic gradient of a scalar f at num_checks random entries of x.

    The entries come from numpy.random, so that the notebook's numpy.random.seed fixes them.
    """
    for _ in range(num_checks):
        index = tuple(int(np.random.randint(size)) for size in x.shape)  # noqa: NPY002 - as the course
        above, below = _on_both_sides(f, x, index, h)
        numeric, analytic = (above - below) / (2 * h), analytic_grad[index]
        print(  # noqa: T201 - what it is for
            f"numerical: {numeric:f} analytic: {analytic:f}, relative error: {rel_error(numeric, analytic):e}"
        )


def rel_error(x: Any, y: Any) -> float:
    """Largest relative difference of two arrays:  max |x - y| / max(1e-8, |x| + |y|)."""
    return float(np.max(np.abs(x - y) / np.maximum(1e-8, np.abs(x) + np.abs(y))))


def _on_both_sides(f: Callable[[Array], Any], x: Array, index: tuple[int, ...], h: float) -> tuple[Any, Any]:
    """f with one entry of x moved up by h and down by h."""
    kept = x[index]
    try:
        x[index] = kept + h
        above = np.array(f(x))  # a copy, in case f returns the same array each time
        x[index] = kept - h
        return above, np.array(f(x))
    finally:
        x[index] = kept
