"""The checker itself: right pairs pass, wrong ones fail in words that help."""

from typing import NamedTuple

import numpy as np
import pytest

from minicap.gradcheck import away_from_zero, check_loss, check_pair, distinct
from minicap.gradcheck.derivatives import central_differences
from minicap.layers import (
    relu_backward,
    relu_forward,
    softmax_backward,
    softmax_forward,
    softmax_loss,
)


class LinearCache(NamedTuple):
    x: np.ndarray
    w: np.ndarray


def linear_forward(x, w, b):
    return x @ w + b, LinearCache(x, w)


def linear_backward(dout, cache):
    return dout @ cache.w.T, cache.x.T @ dout, dout.sum(axis=0)


@pytest.fixture
def inputs(rng):
    return dict(x=rng.normal(size=(4, 3)), w=rng.normal(size=(3, 5)), b=rng.normal(size=5))


def words(report) -> str:
    return " | ".join(row.verdict for row in report.failures)


# --- what is right passes -----------------------------------------------------------------------------------


def test_a_right_pair_passes_both_judges(inputs):
    report = check_pair(linear_forward, linear_backward, inputs, smooth=True, float32=True)
    assert report.passed
    assert [row.argument for row in report] == ["x", "w", "b"]
    assert all(row.error < 1e-10 and row.complex_error < 1e-14 for row in report)


def test_relu_passes_away_from_zero(rng):
    report = check_pair(relu_forward, relu_backward, dict(x=away_from_zero(rng, (4, 5))), float32=True)
    assert report.passed
    assert report[0].skipped == 0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_backward_that_takes_dout_for_x_fails_though_both_are_drawn_with_one_seed(seed):
    x = away_from_zero(np.random.default_rng(seed), (4, 5))
    report = check_pair(relu_forward, lambda dout, _: dout * (dout > 0), dict(x=x), seed=seed)
    assert not report.passed


@pytest.mark.parametrize("scale", [1e-3, 1, 5, 20])
def test_a_softmax_with_tiny_gradients_passes(rng, scale):
    x = scale * rng.normal(size=(4, 5))
    assert check_pair(softmax_forward, softmax_backward, dict(x=x), smooth=True).passed


def test_a_gradient_that_is_truly_zero_but_for_rounding_passes():
    # Softmax does not see what all scores have in common, so the bias has no gradient.
    def forward(x, b):
        p, cache = softmax_forward(x + b)
        return p, cache

    def backward(dout, cache):
        dx = softmax_backward(dout, cache)
        return dx, dx.sum(axis=1, keepdims=True)

    rng = np.random.default_rng(1)
    report = check_pair(forward, backward, dict(x=rng.normal(size=(4, 5)), b=np.zeros((4, 1))), smooth=True)
    assert report.passed


def test_a_loss_passes(rng):
    report = check_loss(softmax_loss, dict(x=rng.normal(size=(4, 5)), y=np.array([0, 1, 2, 4])), smooth=True)
    assert report.passed


def test_several_outputs_each_get_their_own_upstream_gradient(rng):
    def forward(x):
        return np.sin(x), np.cos(x), x

    def backward(dsin, dcos, x):
        return dsin * np.cos(x) - dcos * np.sin(x)

    def forgets_the_cosine(dsin, dcos, x):
        return dsin * np.cos(x)

    assert check_pair(forward, backward, dict(x=rng.normal(size=(2, 3)))).passed
    assert not check_pair(forward, forgets_the_cosine, dict(x=rng.normal(size=(2, 3)))).passed


def test_starred_arguments_are_differentiated_one_by_one(rng):
    def forward(a, *more, scale=1.0):
        return scale * (a + sum(more)), (1 + len(more), scale)

    def backward(dout, cache):
        return [cache[1] * dout for _ in range(cache[0])]

    draws = rng.normal(size=(3, 2, 2))
    report = check_pair(forward, backward, dict(a=draws[0], more=[draws[1], draws[2]], scale=3.0))
    assert report.passed
    assert [row.argument for row in report] == ["a", "more[0]", "more[1]"]


def test_fixed_arguments_integers_and_options_get_no_gradient(rng):
    def forward(x, mask, ids, rate):
        return x * mask * rate, (mask, rate)

    inputs = dict(x=rng.normal(size=3), mask=np.ones(3), ids=np.arange(3), rate=0.5)
    report = check_pair(forward, lambda dout, cache: dout * cache[0] * cache[1], inputs, fixed=("mask",))
    assert report.passed
    assert [row.argument for row in report] == ["x"]


def test_a_generator_draws_the_same_at_every_call(rng):
    def forward(x, rng):
        keep = rng.random(x.shape) < 0.5
        return x * keep, keep

    inputs = dict(x=rng.normal(size=(4, 5)), rng=np.random.default_rng(3))
    assert check_pair(forward, lambda dout, keep: dout * keep, inputs).passed


def test_an_output_that_is_a_view_of_the_input_is_measured_right(rng):
    report = check_pair(lambda x: (x, None), lambda dout, _: dout, dict(x=rng.normal(size=(2, 3))))
    assert report.passed


# --- what is wrong fails, and says how ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("backward", "expected"),
    [
        (lambda d, c: (0 * c.x, *linear_backward(d, c)[1:]), "dx is all zeros"),
        (lambda d, c: (-d @ c.w.T, c.x.T @ d, d.sum(0)), "dx is correct except for its sign"),
        (
            lambda d, c: (d @ c.w.T, c.x.T @ d, d.mean(0)),
            "db is 0.25 times what it should be (divided by the",
        ),
        (lambda d, c: (d @ c.w.T, c.x.T @ d + 0.5, d.sum(0)), "dw is off by the constant 0.5"),
        (lambda d, c: (d @ c.w.T, c.x.T @ d, np.roll(d.sum(0), 1)), "db is shifted by one along axis 0"),
        (lambda d, c: (d @ c.w.T, (c.x.T @ d)[::-1], d.sum(0)), "dw is reversed along axis 0"),
        (lambda d, c: (d @ c.w.T, (c.x.T @ d).T.reshape(3, 5), d.sum(0)), "dw is transposed"),
        (lambda d, c: (d @ c.w.T, c.x.T @ d, d.sum(0) + np.eye(5)[2]), "db is wrong in 1 of 5 entries"),
        (lambda d, c: (c.x.T @ d, d @ c.w.T, d.sum(0)), "dx has shape (3, 5) but x has (4, 3), as w has"),
        (lambda d, c: (d @ c.w.T, c.x.T @ d), "backward returns 2 gradients for 3 arguments (x, w, b)"),
        (lambda d, c: (d @ c.w.T, c.x.T @ d, None), "db is None"),
        (lambda d, c: (d @ c.w.T, c.x.T @ d, 3.0), "db is a float, not an array"),
        (lambda d, c: (d @ c.w.T, c.x.T @ d, d.sum(0) / 0), "db is not finite in 5 of 5 entries"),
        (
            lambda d, c: (d @ c.w.T, c.x.T @ d, d.sum(0).astype("f4")),
            "db is float32 but the inputs are float64",
        ),
        (lambda d, c: (d @ c.w, c.x.T @ d, d.sum(0)), "backward raises ValueError: matmul"),
        (lambda d, e, c: d, "forward returns 1 output of floats but backward takes 2 upstream gradients"),
    ],
)
def test_a_wrong_backward_is_described(inputs, backward, expected):
    assert expected in words(check_pair(linear_forward, backward, inputs))


def test_gradients_of_equal_shape_in_the_wrong_order_are_recognised(rng):
    report = check_pair(
        lambda a, b: (a * b, (a, b)),
        lambda dout, cache: (dout * cache[0], dout * cache[1]),
        dict(a=rng.normal(size=4), b=rng.normal(size=4)),
    )
    assert "da holds the gradient of b" in words(report)
    assert "db holds the gradient of a" in words(report)


def test_a_softmax_whose_backward_is_zeros_fails(rng):
    report = check_pair(softmax_forward, lambda dout, cache: 0 * dout, dict(x=rng.normal(size=(4, 5))))
    assert "dx is all zeros" in words(report)


def test_a_loss_with_a_forgotten_mean_is_described(rng):
    def loss(x, y):
        value, dx = softmax_loss(x, y)
        return value, dx * len(x)

    report = check_loss(loss, dict(x=rng.normal(size=(4, 5)), y=np.array([0, 1, 2, 4])))
    assert "dx is 4 times what it should be (multiplied by the batch size 4 once too often)" in words(report)


@pytest.mark.parametrize(
    ("forward", "expected"),
    [
        (lambda x, w, b: x @ w + b, "forward must return (out, cache) but returns one ndarray"),
        (lambda x, w, b: (x @ w / 0, (x, w)), "out is not finite"),
        (lambda x, w, b: ([1, 2], (x, w)), "forward returns no array of floats before its cache"),
        (lambda x: (x, x), "forward raises TypeError"),
    ],
)
def test_a_forward_that_cannot_be_checked_is_described(inputs, forward, expected):
    assert expected in words(check_pair(forward, linear_backward, inputs))


def test_inputs_without_floats_check_nothing_and_fail():
    report = check_pair(lambda x: (x, x), lambda dout, x: dout, dict(x=np.arange(3)))
    assert not report.passed
    assert "nothing to differentiate" in words(report)


def test_a_loss_that_returns_only_its_value_is_described(rng):
    report = check_loss(lambda x: (x**2).sum(), dict(x=rng.normal(size=3)))
    assert "must return (loss, gradients...)" in words(report)


def test_a_random_forward_is_found(rng):
    report = check_pair(lambda x: (x * rng.random(), x), lambda dout, x: dout, dict(x=rng.normal(size=3)))
    assert "gives different outputs when called again" in words(report)


# --- purity and states --------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [1.0, 2.0])
def test_writing_into_dout_is_found_even_when_no_value_changes(inputs, value):
    def backward(dout, cache):
        gradients = linear_backward(dout, cache)
        dout *= value
        return gradients

    assert "backward wrote into dout" in words(check_pair(linear_forward, backward, inputs))


def test_writing_into_one_field_of_the_cache_names_that_field(inputs):
    def backward(dout, cache):
        gradients = linear_backward(dout, cache)
        cache.w[0] = 0
        return gradients

    report = check_pair(linear_forward, backward, inputs)
    assert [row.verdict for row in report.failures] == ["backward wrote into cache.w"]


def test_writing_through_another_view_of_the_same_memory_is_found(inputs):
    class Kept:
        pass

    def forward(x, w, b):
        kept = Kept()
        kept.w = w.copy()
        return x @ w + b, (LinearCache(x, kept.w.view()), kept)

    def backward(dout, cache):
        gradients = linear_backward(dout, cache[0])
        cache[1].w[0] = 7  # the owner of the memory is not frozen
        return gradients

    assert "backward wrote into cache[0].w" in words(check_pair(forward, backward, inputs))


def test_a_forward_that_writes_into_its_input_is_found_and_its_gradients_judged_all_the_same(inputs):
    def forward(x, w, b):
        out = x @ w + b
        x[:] = 0
        return out, LinearCache(x.copy(), w)

    report = check_pair(forward, linear_backward, inputs)
    assert "forward wrote into x" in words(report)
    assert [row.passed for row in report if row.argument] == [True, False, True]


def test_the_inputs_given_stay_as_they_were(inputs):
    before = {name: array.copy() for name, array in inputs.items()}
    check_pair(linear_forward, linear_backward, inputs)
    assert all(np.array_equal(inputs[name], before[name]) for name in inputs)
    assert all(array.flags.writeable for array in inputs.values())


def test_a_backward_that_adds_up_over_calls_is_found(inputs):
    total = np.zeros(5)

    def backward(dout, cache):
        nonlocal total
        total = total + dout.sum(axis=0)
        return (*linear_backward(dout, cache)[:2], total)

    assert "called a second time" in words(check_pair(linear_forward, backward, inputs))


def test_a_cache_shared_between_calls_is_found(inputs):
    shared = {}

    def forward(x, w, b):
        shared.update(x=x, w=w)
        return x @ w + b, None

    report = check_pair(
        forward, lambda dout, _: linear_backward(dout, LinearCache(shared["x"], shared["w"])), inputs
    )
    assert not report.passed


# --- dtypes and the complex step ----------------------------------------------------------------------------


def test_a_silent_upcast_is_found(inputs):
    def backward(dout, cache):
        dx, dw, db = linear_backward(dout, cache)
        return dx, dw, db * np.ones(5)

    report = check_pair(linear_forward, backward, inputs, float32=True)
    (row,) = report.failures
    assert (row.argument, row.dtype, row.verdict) == (
        "b",
        "float32",
        "db is float64 but the inputs are float32",
    )


def test_a_forward_that_upcasts_is_found(inputs):
    def forward(x, w, b):
        return x @ w + b + np.zeros(5), LinearCache(x, w)

    def backward(dout, cache):
        return linear_backward(dout, cache)

    report = check_pair(forward, backward, inputs, float32=True)
    assert "out is float64 but the inputs are float32" in words(report)


def test_a_forward_that_drops_the_imaginary_part_cannot_pass_as_smooth(rng):
    def forward(x):
        out = np.empty(x.shape)
        out[...] = x**2
        return out, x

    report = check_pair(forward, lambda dout, x: 2 * x * dout, dict(x=rng.normal(size=4)), smooth=True)
    assert "cannot run in complex numbers" in words(report)
    assert [row.passed for row in report if row.argument] == [True]


def test_the_complex_step_sees_an_error_too_small_for_differences(rng):
    report = check_pair(
        lambda x: (x**2, x),
        lambda dout, x: 2 * x * dout * (1 + 1e-9),
        dict(x=rng.normal(size=4)),
        smooth=True,
    )
    assert report[0].error < 1e-8
    assert "the complex step does not" in words(report)


# --- kinks --------------------------------------------------------------------------------------------------


def test_a_kink_is_counted_and_the_rest_is_judged():
    x = np.linspace(-2, 2, 21)
    assert x[10] == 0
    report = check_pair(relu_forward, relu_backward, dict(x=x))
    assert report.passed
    assert report[0].skipped == 1
    assert "1 skipped at kinks" in repr(report)


def test_too_many_kinks_fail():
    x = np.linspace(-2, 2, 20)
    x[:5] = 0
    report = check_pair(relu_forward, relu_backward, dict(x=x))
    assert "5 of 20 entries lie at a kink" in words(report)


@pytest.mark.parametrize("distance", [0, 0.05, 0.2, 1 / 6, 0.25, 1 / 3, 0.4, 0.5, 0.7, 0.9, 0.99])
def test_a_kink_anywhere_within_the_step_is_seen(distance):
    x = np.array([2.0, 0.0, -1.0])
    step = 1e-4
    place = np.array([1.0, distance * step, 1.0])

    def value() -> float:
        return float((np.abs(x - place) * [1.0, 0.3, 2.0]).sum())

    start = value()
    derivative = central_differences(lambda: value() - start, x, 1.0, step)
    assert derivative.kinks.tolist() == [False, True, False]


def test_a_strongly_bent_smooth_function_is_not_taken_for_a_kink():
    x = np.array([1.0, 0.5, -0.25])

    def value() -> float:
        return float(np.sin(30 * x).sum() + np.exp(8 * x).sum())

    start = value()
    derivative = central_differences(lambda: value() - start, x, 3e3)
    assert not derivative.kinks.any()
    np.testing.assert_allclose(derivative.values, 30 * np.cos(30 * x) + 8 * np.exp(8 * x), rtol=1e-8)


# --- inputs for cases ---------------------------------------------------------------------------------------


def test_away_from_zero_has_both_signs_and_a_gap(rng):
    x = away_from_zero(rng, (50,), gap=0.2)
    assert np.abs(x).min() >= 0.2
    assert x.min() < 0 < x.max()


def test_distinct_values_are_a_step_apart(rng):
    x = distinct(rng, (3, 4, 5), step=0.3)
    assert np.diff(np.sort(x.ravel())).min() > 0.29


def test_a_notebook_shows_the_report_as_a_table():
    x = np.array([[1.0, 2.0], [3.0, 5.0]])
    good = check_pair(lambda x: (2 * x, None), lambda dout, cache: 2 * dout, dict(x=x))
    bad = check_pair(lambda x: (2 * x, None), lambda dout, cache: -2 * dout, dict(x=x))
    assert "FAIL: dx" not in good._repr_html_()
    assert "FAIL: error 2.0e+00 &gt; 1e-08; dx is correct except for its sign" in bad._repr_html_()
    assert [good._repr_html_().count("color"), bad._repr_html_().count("color")] == [0, 1]
    assert "1 failed" in bad._repr_html_()
