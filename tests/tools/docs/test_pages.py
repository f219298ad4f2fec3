"""The repository's Markdown as pages of the site."""

import re

from tools.bare import ROOT
from tools.docs import pages

NAMED = pages.pages()


def test_the_readme_is_the_first_page_and_every_page_of_docs_has_a_place():
    assert NAMED["README.md"] == "index"
    assert NAMED["docs/layers/conv.md"] == "layers/conv"
    assert NAMED["docs/layers/README.md"] == "layers/index"
    assert NAMED["assignments/a1/README.md"] == "assignments/a1"
    assert len(set(NAMED.values())) == len(NAMED)


def test_no_notebook_of_an_assignment_is_published():
    assert [name for name in NAMED if name.startswith("assignments/") and not name.endswith(".md")] == []


def test_the_contents_list_every_page_of_docs_once():
    listed = [
        entry["file"] for entry in pages.ENTRY.finditer((ROOT / pages.CONTENTS).read_text(encoding="utf-8"))
    ]
    there = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert sorted(name for name in listed if "/" not in name) == sorted(there)


def test_links_between_pages_are_turned_towards_the_site(tmp_path):
    text = "[a](../conventions.md#units) [b](pooling.md) [c](https://example.org) ![d](img/conv.svg)"
    assert pages.moved(text, "docs/layers/conv.md", NAMED, tmp_path) == (
        "[a](/conventions.md#units) [b](/layers/pooling.md) [c](https://example.org) "
        "![d](../layers/img/conv.svg)"
    )


def test_a_link_to_source_leads_to_its_page_and_any_other_file_is_copied(tmp_path):
    text = "[`conv.py`](../minicap/layers/conv.py) and [this](../LICENSE)"
    moved = pages.moved(text, "docs/gradcheck.md", NAMED, tmp_path)
    assert re.findall(r'href="([^"]+)"', moved) == ["_modules/minicap/layers/conv.html", "files/LICENSE"]
    assert (tmp_path / "files" / "LICENSE").is_file()


def test_code_blocks_are_left_alone(tmp_path):
    text = "```\n[a](b.md)\n```\n"
    assert pages.moved(text, "docs/plots.md", NAMED, tmp_path) == text


def test_the_first_page_carries_the_navigation_in_the_order_of_the_contents():
    trees = "".join(pages.trees("README.md", "index", NAMED))
    assert (
        trees.index(":caption: Start")
        < trees.index("First steps </start>")
        < trees.index("The layers </layers/index>")
    )
    assert "API reference </reference/index>" in trees
