"""The texts that the page offers, and the checker's answers to them."""

import pytest

from minicap.errors import InputError
from minicap.playground.exercises import EXERCISES, check

MISTAKES = [(each, mistake) for each in EXERCISES for mistake in each.mistakes]
SAID = {
    "A mean for a sum": "divided by the batch size 3 once too often",
    "A transposed dw": "dw is transposed",
    "A wrong sign": "correct except for its sign",
    "Writing into dout": "wrote into dout",
    "dbeta for dgamma": "dgamma holds the gradient of beta",
    "The batch size forgotten": "multiplied by the batch size 4 once too often",
    "Smoothing forgotten": "off by the constant",
}


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda each: each.layer)
def test_as_it_is_every_gradient_is_right(exercise):
    found = check(exercise.layer, exercise.source)
    assert found.passed
    assert found.findings == []
    assert "all ok" in found.text


@pytest.mark.parametrize(("exercise", "mistake"), MISTAKES, ids=lambda each: getattr(each, "title", ""))
def test_every_mistake_is_an_edit_of_the_text_and_is_found(exercise, mistake):
    assert exercise.source.count(mistake.old) == 1
    found = check(exercise.layer, exercise.with_mistake(mistake))
    assert not found.passed
    assert SAID.get(mistake.title, "wrong in") in " ".join(found.findings)
    assert "FAIL" in found.text


def test_what_the_code_prints_comes_first():
    source = EXERCISES[0].source.replace("    x, w = cache\n", "    x, w = cache\n    print('looked at')\n")
    found = check("affine", source)
    assert found.passed
    assert found.text.startswith("looked at\n")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def affine_backward(:", r"SyntaxError: .* \(your code, line 1\)"),
        ("\nx = 1 / 0", r"ZeroDivisionError: division by zero \(your code, line 2\)"),
        ("affine_backward = 3", "no longer defines affine_backward"),
    ],
)
def test_what_cannot_be_checked_is_refused_with_its_line(source, said):
    with pytest.raises(InputError, match=said):
        check("affine", source)


def test_an_error_inside_a_backward_is_a_finding_with_its_line():
    found = check("relu", "def relu_backward(dout, cache):\n    return cache.y")
    assert not found.passed
    assert "AttributeError" in found.findings[0]
    assert "(your code, line 2, in relu_backward)" in found.findings[0]


def test_an_unknown_exercise_is_refused():
    with pytest.raises(InputError, match="no exercise 'conv'"):
        check("conv", "")
