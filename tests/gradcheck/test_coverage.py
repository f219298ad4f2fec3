"""No layer without a backward, a case, a docstring with shapes, and its place in minicap.layers."""

import re

import pytest

import minicap.layers
from minicap.gradcheck.library import all_layers, load_cases, subject_of, subjects
from minicap.gradcheck.subject import Subject

LAYERS = all_layers()
SHAPE = re.compile(
    r"\((N|C|D|F|H|K|M|S|T|V|d1|\d+|\.\.\.)(,[^()]*)?\)|any shape"
    r"|(one|equal) shapes?|one axis or more|\blike\b"
)


def functions(name: str) -> list:
    layer = LAYERS[name]
    return [layer.forward] if layer.is_loss else [layer.forward, layer.backward]


def test_the_walk_finds_the_library():
    assert {"affine", "relu", "conv", "lstm", "softmax_loss"} <= LAYERS.keys()


@pytest.mark.parametrize("name", LAYERS)
def test_every_forward_has_its_backward_and_the_other_way_round(name):
    assert all(function is not None for function in functions(name))


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_a_case(name):
    assert [c for c in load_cases() if c.layer == name]


def test_every_case_is_of_a_layer():
    assert {c.layer for c in load_cases()} <= LAYERS.keys()


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_is_exported_from_the_package(name):
    for function in functions(name):
        assert getattr(minicap.layers, function.__name__, None) is function
        assert function.__name__ in minicap.layers.__all__


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_tells_its_shapes(name):
    forward, *backward = functions(name)
    assert SHAPE.search(forward.__doc__ or ""), f"{forward.__name__} says no shapes"
    for function in backward:
        assert function.__doc__, f"{function.__name__} has no docstring"


@pytest.mark.parametrize("name", LAYERS)
def test_the_arrays_of_every_case_are_small_enough_to_check_every_entry(name):
    for c in load_cases():
        if c.layer == name and not c.directions:
            # A case for the faster pairs, which leave small problems to the textbook, has to be larger.
            most = 2000 if c.variant.startswith("large") else 400
            assert sum(x.size for x in _differentiated(subject_of(c, LAYERS[name]))) <= most


def _differentiated(subject: Subject) -> list:
    return subject.differentiated(subject.inputs)


def test_every_case_also_runs_at_the_other_point_where_states_kept_between_calls_show():
    for subject in subjects():
        assert isinstance(subject, Subject), subject
        subject.call(subject.elsewhere("float64"))
