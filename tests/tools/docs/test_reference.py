"""The API reference, from types and docstrings."""

from dataclasses import dataclass, field
from typing import NamedTuple

import minicap.layers.conv
from minicap.errors import ShapeError
from tools.docs import reference
from tools.docs.docstrings import as_rst


class Kept(NamedTuple):
    x: "int"
    y: float = 2.0


@dataclass
class Settings:
    sizes: list[int] = field(default_factory=list)


class Made:
    def __init__(self, size: int = 3) -> None: ...


def test_a_signature_reads_as_its_source():
    given, returned = reference.signature(minicap.layers.conv.conv_backward) or ("", "")
    assert given.startswith("(dout: Array, cache: ConvCache")
    assert returned.startswith("tuple[")


def test_of_a_class_it_shows_what_makes_one():
    assert reference.signature(Made) == ("(size: int=3)", None)
    assert reference.signature(ShapeError) is None


def test_a_module_shows_what_its_package_exports():
    names = [name for name, _ in reference.members(minicap.layers.conv)]
    assert names[:2] == ["conv_forward", "conv_backward"]
    assert "ConvCache" not in names


def test_nothing_inside_the_package_is_in_the_reference():
    names = reference.names()
    assert "minicap.layers.conv" in names
    assert [name for name in names if name.startswith(reference.INSIDE)] == []


def test_a_docstring_keeps_its_lines_and_sets_arguments_as_code():
    lines = [
        "Multiply *all*.",
        "",
        "x: (N, D), flattened to",
        "(N, D).  w_out: (D, M).",
        "Raises ShapeError.",
    ]
    assert as_rst(lines, {"x", "w_out"}) == [
        r"| Multiply \*all\*.",
        "",
        r"| \ ``x``\ : (N, D), flattened to (N, D).",
        r"| \ ``w_out``\ : (D, M).",
        "| Raises ShapeError.",
        "",
    ]
