"""The names that CS231n's notebooks import."""

import importlib

import pytest

from minicap.compat import cs231n

MODULES = ["fast_layers", "gradient_check", "layer_utils", "layers", "optim", "rnn_layers"]


@pytest.mark.parametrize("name", MODULES)
def test_everything_in_a_module_can_be_imported_from_the_package(name):
    module = importlib.import_module(f"minicap.compat.cs231n.{name}")
    for public in module.__all__:
        assert getattr(cs231n, public) is getattr(module, public)
        assert public in cs231n.__all__


def test_every_forward_has_its_backward():
    forwards = [name for name in cs231n.__all__ if "forward" in name]
    assert len(forwards) > 20
    for name in forwards:
        assert name.replace("forward", "backward") in cs231n.__all__
