"""Formulas become MathML."""

import pytest

pytest.importorskip("latex2mathml", reason="formulas of the site are converted by latex2mathml")
pytest.importorskip("docutils", reason="and set by docutils")

from tools.docs import maths


def test_a_formula_keeps_its_letters():
    formula = maths.mathml(r"\text{output\_pad} + x^\top", "block")
    assert "<mtext>output_pad</mtext>" in formula
    assert 'display="block"' in formula


def test_a_function_stands_apart_from_what_it_is_applied_to():
    assert f"<mi>log</mi>{maths.THIN}<mi>p</mi>" in maths.mathml(r"\log p")
    assert f"</msub>{maths.THIN}<mi>log</mi>" in maths.mathml(r"t_k \log p")


def test_an_unknown_command_is_refused():
    with pytest.raises(ValueError, match="no MathML"):
        maths.mathml(r"\nosuchcommand x")
