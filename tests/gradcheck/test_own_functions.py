"""Checking functions of one's own: names, scalars, lists, lambdas, and where an error comes from."""

import functools

import numpy as np
import pytest

from minicap.errors import InputError
from minicap.gradcheck import check_loss, check_pair


def words(report) -> str:
    return " | ".join(row.verdict for row in report.failures)


def triple_forward(x):
    return 3 * x, None


def triple_backward(dout, _):
    return 3 * dout


def test_a_row_is_named_after_the_forward_or_as_one_asks(rng):
    inputs = dict(x=rng.normal(size=3))
    assert check_pair(triple_forward, triple_backward, inputs)[0].layer == "triple"
    assert check_pair(triple_forward, triple_backward, inputs, name="thrice")[0].layer == "thrice"
    assert check_loss(lambda x: ((x**2).sum(), 2 * x), inputs, name="energy")[0].layer == "energy"


def test_what_has_no_name_is_called_what_it_is(rng):
    inputs = dict(x=rng.normal(size=3))
    assert check_pair(lambda x: (x, None), lambda dout, _: dout, inputs)[0].layer == "pair"
    assert check_pair(functools.partial(triple_forward), triple_backward, inputs)[0].layer == "pair"
    assert check_loss(lambda x: ((x**2).sum(), 2 * x), inputs)[0].layer == "loss"


def test_a_scalar_is_an_array_of_no_axes(rng):
    def backward(dout, cache):
        x, scale = cache
        return dout * scale, (dout * x).sum()

    inputs = dict(x=rng.normal(size=(2, 3)), scale=np.array(1.3))
    report = check_pair(lambda x, scale: (x * scale, (x, scale)), backward, inputs, smooth=True, float32=True)
    assert report.passed, report
    assert [row.argument for row in report] == ["x", "scale"]
    assert check_pair(
        lambda s: (np.sin(s), s), lambda dout, s: dout * np.cos(s), dict(s=np.array(0.4))
    ).passed


def test_a_list_of_arrays_gets_a_gradient_each_nested_or_flat(rng):
    inputs = dict(x=rng.normal(size=(4, 3)), weights=[rng.normal(size=(3, 3)), rng.normal(size=(3, 2))])

    def forward(x, weights):
        hidden = x @ weights[0]
        return hidden @ weights[1], (x, hidden, weights)

    def backward(dout, cache):
        x, hidden, weights = cache
        dhidden = dout @ weights[1].T
        return dhidden @ weights[0].T, [x.T @ dhidden, hidden.T @ dout]

    report = check_pair(forward, backward, inputs)
    assert report.passed, report
    assert [row.argument for row in report] == ["x", "weights[0]", "weights[1]"]

    def flat(dout, cache):
        dx, (first, second) = backward(dout, cache)
        return dx, first, second

    assert check_pair(forward, flat, inputs).passed


@pytest.mark.parametrize("x", [1.3, [1.0, 2.0]])
def test_plain_numbers_are_options_and_the_checker_says_so(x):
    report = check_pair(lambda x: (np.multiply(x, 2), None), lambda dout, _: 2 * dout, dict(x=x))
    assert "x holds plain numbers; np.array(x) makes it an argument" in words(report)


def test_an_argument_that_is_none_may_get_none(rng):
    def backward(dout, cache):
        return dout, None

    assert check_pair(lambda x, b=None: (x, None), backward, dict(x=rng.normal(size=3), b=None)).passed


def test_a_positional_only_argument_is_passed_by_position(rng):
    def forward(x, /):
        return 2 * x, None

    assert check_pair(forward, lambda dout, _: 2 * dout, dict(x=rng.normal(size=3))).passed


def failing_backward(dout, cache):
    width = 7
    return dout @ np.ones(width)


def raising_in_numpy(dout, cache):
    return np.concatenate([dout, [[1]]])


@pytest.mark.parametrize(("backward", "offset"), [(failing_backward, 2), (raising_in_numpy, 1)])
def test_an_error_is_placed_in_the_users_own_line(backward, offset, rng):
    line = backward.__code__.co_firstlineno + offset
    report = check_pair(lambda x: (x, None), backward, dict(x=rng.normal(size=3)))
    assert f"(test_own_functions.py, line {line}, in {backward.__name__})" in words(report)


def test_an_error_below_is_placed_in_the_users_line_that_led_there(rng):
    def backward(dout, cache):
        return np.broadcast_to(dout, (7, 7))  # raises inside NumPy's own Python code

    line = backward.__code__.co_firstlineno + 1
    assert f"line {line}, in backward" in words(
        check_pair(lambda x: (x, None), backward, dict(x=rng.normal(size=3)))
    )


def test_a_call_that_does_not_fit_is_placed_where_the_function_begins(rng):
    report = check_pair(triple_forward, triple_backward, dict(y=rng.normal(size=3)))
    line = triple_forward.__code__.co_firstlineno
    assert "unexpected keyword argument 'y'" in words(report)
    assert f"(test_own_functions.py, line {line}, in triple_forward)" in words(report)


def test_an_error_in_a_lambda_has_its_line_and_no_made_up_name(rng):
    report = check_pair(lambda x: (x @ np.ones(9), x), lambda dout, x: dout, dict(x=rng.normal(size=3)))
    assert "in <lambda>" not in words(report)
    assert "(test_own_functions.py, line " in words(report)


X = np.ones((2, 3))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: check_pair(triple_forward, None, {"x": X}),
            "check_pair: backward is None but must be a function",
        ),
        (lambda: check_loss(None, {"x": X}), "check_loss: loss is None but must be a function"),
        (lambda: check_pair(triple_forward, triple_backward, [X]), "inputs is a list; give the arguments by"),
        (
            lambda: check_pair(triple_forward, triple_backward, {"x": X}, fixed="x"),
            r"fixed is 'x' but must name some of x, as \('y',\) does",
        ),
        (
            lambda: check_pair(triple_forward, triple_backward, {"x": X}, fixed=("mask",)),
            r"fixed is \('mask',\) but must name some of x",
        ),
        (
            lambda: check_pair(triple_forward, triple_backward, {"x": X}, directions=-1),
            "directions is -1 but must be a whole number",
        ),
    ],
)
def test_what_the_checker_itself_cannot_use_is_refused(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_an_empty_argument_does_not_pass_unchecked():
    report = check_pair(triple_forward, triple_backward, {"x": X[:0]})
    assert words(report) == "x is empty (0, 3), so there is nothing to check"


def test_numbers_too_large_to_judge_do_not_pass_unchecked():
    report = check_pair(triple_forward, lambda dout, _: 5 * dout, {"x": 1e200 * X})
    assert words(report) == "the outputs are so large that their squares overflow; choose smaller inputs"


def test_gradients_in_a_dict_are_asked_for_in_order():
    report = check_pair(triple_forward, lambda dout, _: {"x": 3 * dout}, {"x": X})
    assert words(report) == "backward returns a dict; return the gradients in the order of the arguments"
