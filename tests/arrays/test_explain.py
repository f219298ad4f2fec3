"""minicap.explain says which code answers, and why."""

import numpy as np
import pytest

import minicap
from minicap import layers
from minicap.arrays import textbook
from minicap.arrays.dispatch import look_again
from minicap.errors import InputError

X, W = np.ones((8, 8, 16, 16), np.float32), np.ones((8, 8, 3, 3), np.float32)


def test_it_names_the_text_and_the_faster_pairs_of_each_backend():
    text = str(minicap.explain(layers.conv_forward))
    assert text.startswith("conv_forward in minicap/layers/conv.py, line ")
    assert "  numpy: the first of these that takes the arguments, else this text\n    conv_forward_" in text
    assert "  cupy: the first of these that takes the arguments, else this text\n" in text
    assert "in minicap/backend/gpu/conv.py, line " in text


def test_a_backward_goes_with_its_forward():
    text = str(minicap.explain(layers.conv_backward))
    assert text.startswith("conv_backward in minicap/layers/conv.py, line ")
    assert "minicap/backend/cpu/conv/override.py" in text


def test_it_says_where_there_is_no_faster_pair():
    assert "  numpy: this text; there is no faster pair" in minicap.explain(layers.silu_forward)


def test_with_arguments_it_says_what_answers_for_these():
    answer = str(minicap.explain(layers.relu_forward, X)).splitlines()[-1]
    assert answer.startswith("  with these arguments: relu_forward in minicap/backend/cpu/pointwise.py")
    few = str(minicap.explain(layers.relu_forward, x=X[0, 0])).splitlines()[-1]
    assert few == "  with these arguments: this text"
    with textbook():
        inside = str(minicap.explain(layers.relu_forward, X)).splitlines()[-1]
    assert inside == "  with these arguments: this text"


def test_it_names_the_part_of_the_text_that_was_edited(monkeypatch):
    def relu_backward(dout, cache):
        return dout * (cache.x > 0)

    relu_backward.__module__, relu_backward.__qualname__ = "minicap.layers.activations", "relu_backward"
    monkeypatch.setattr(layers.relu_backward, "textbook", relu_backward)
    look_again()
    edited = "this text; its faster pair was written for another minicap.layers.activations.relu_backward"
    for function in (layers.relu_forward, layers.conv_relu_forward):
        assert edited in minicap.explain(function)
    assert edited not in minicap.explain(layers.conv_forward)
    monkeypatch.undo()
    look_again()


def test_it_reads_the_same_in_a_console():
    text = minicap.explain(layers.relu_forward)
    assert repr(text) == str(text)


def test_what_is_no_layer_is_refused():
    with pytest.raises(InputError, match="explain: len is not one of minicap's layers"):
        minicap.explain(len)
    with pytest.raises(AttributeError, match="no attribute 'explian'"):
        _ = minicap.explian


def test_arguments_that_the_function_does_not_take_are_refused():
    with pytest.raises(InputError, match="explain: conv_forward: missing a required argument: 'w'"):
        minicap.explain(layers.conv_forward, X)
    out, cache = layers.relu_forward(X)
    with pytest.raises(InputError, match="relu_backward follows relu_forward; give the arguments of that"):
        minicap.explain(layers.relu_backward, out, cache)
