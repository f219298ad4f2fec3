"""What the notebooks of the tour must be; tools/notebooks runs them."""

import ast
import re
from importlib import import_module

import pytest

from tools import bare
from tools.notebooks.outputs import kept
from tools.notebooks.running import code_cells, code_of, load
from tools.notebooks.tour import BOOKS, run_tour, traces_of

LARGEST = 400_000  # bytes
each_book = pytest.mark.parametrize("name", BOOKS)


@each_book
def test_a_notebook_is_stored_as_the_tool_stores_it(name):
    assert kept(load(BOOKS[name])) == load(BOOKS[name])
    assert BOOKS[name].stat().st_size < LARGEST


@each_book
def test_a_notebook_opens_anywhere(name):
    book = load(BOOKS[name])
    assert 'pip install -e ".[notebooks]"' in "".join(book["cells"][0]["source"])
    ast.parse(code_of(BOOKS[name]))  # plain Python: no magics
    assert traces_of(book) == []


@each_book
def test_every_cell_has_run_and_none_warned(name):
    cells = code_cells(load(BOOKS[name]))
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"] == []


@each_book
def test_what_a_notebook_imports_exists(name):
    for node in ast.walk(ast.parse(code_of(BOOKS[name]))):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("minicap"):
            module = import_module(node.module)
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@each_book
def test_what_a_notebook_links_to_exists(name):
    texts = (
        "".join(cell["source"]) for cell in load(BOOKS[name])["cells"] if cell["cell_type"] == "markdown"
    )
    links = [link for text in texts for link in re.findall(r"\]\(([^)#:]+)", text)]
    assert [link for link in links if not (BOOKS[name].parent / link).exists()] == []


def test_a_place_of_this_machine_is_found_in_texts_but_not_in_pictures():
    place = str(bare.ROOT)
    printed, shown = {"text": ["in ", place]}, {"data": {"text/html": [place]}}
    picture = {"data": {"image/png": place}}
    found = [
        traces_of({"cells": [{"cell_type": "code", "outputs": [output]}]})
        for output in (printed, shown, picture)
    ]
    assert found == [[f"in {place}"], [place], []]


def test_the_index_names_every_notebook():
    index = (bare.ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    assert [name for name in BOOKS if f"({name}.ipynb)" not in index] == []


@pytest.mark.slow
@each_book
def test_a_notebook_shows_again_what_is_stored_in_it(name):
    pytest.importorskip("matplotlib", reason="the notebooks plot")
    assert run_tour(name) < 300
