"""How the bodies are laid out: checks, a blank line, then nothing but maths."""

import ast
import inspect
from textwrap import dedent

import pytest

from minicap import layers

BODIES = [
    function.textbook for name in layers.__all__ if hasattr(function := getattr(layers, name), "textbook")
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.__name__)
def test_a_body_checks_then_leaves_a_line_blank_and_checks_no_more(body):
    source = dedent(inspect.getsource(body))
    (function,), lines = ast.parse(source).body, source.splitlines()
    statements = function.body[1:]  # without the docstring
    last_check = max((s.end_lineno for s in statements if is_check(s)), default=0)
    if last_check:
        blank = [
            number for number in range(statements[0].lineno, len(lines)) if not lines[number - 1].strip()
        ]
        assert blank, "no blank line between the checks and the maths"
        assert last_check < blank[0], f"line {last_check} still checks, after the blank line {blank[0]}"


def is_check(statement):
    """Whether a statement may raise: by itself, or in a function with a name in check_..."""
    return any(
        isinstance(node, ast.Raise)
        or (isinstance(node, ast.Call) and "check" in getattr(node.func, "id", "").split("_"))
        for node in ast.walk(statement)
    )
