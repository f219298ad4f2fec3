"""A notebook becomes a page with its text, its code and the outputs that are saved in it."""

import json

from tools.docs import notebook


def page_of(tmp_path, *cells) -> str:
    book = tmp_path / "01-tour.ipynb"
    book.write_text(json.dumps({"cells": cells}), encoding="utf-8")
    return notebook.as_markdown(book, tmp_path / "img" / "01-tour")


def code(source: str, *outputs) -> dict:
    return {"cell_type": "code", "source": [source], "outputs": list(outputs)}


def shown(**data) -> dict:
    return {
        "output_type": "display_data",
        "data": {kind.replace("_", "/", 1): text for kind, text in data.items()},
    }


def test_text_and_code_stay_as_they_are(tmp_path):
    text = {"cell_type": "markdown", "source": ["# A tour\n", "of $x$"]}
    assert page_of(tmp_path, text, code("x = 1")) == "# A tour\nof $x$\n\n```python\nx = 1\n```\n"


def test_what_a_cell_printed_follows_it_without_a_terminals_colours(tmp_path):
    stream = {"output_type": "stream", "name": "stdout", "text": ["\x1b[31mred\x1b[0m\n"]}
    assert "x = 1\n```\n\n:::{container} output\n```text\nred\n```\n:::" in page_of(
        tmp_path, code("x = 1", stream)
    )


def test_a_picture_is_written_beside_the_page(tmp_path):
    page = page_of(tmp_path, code("draw()", shown(image_png="aGk=", text_plain="<Figure size 640x480>")))
    assert "```{image} img/01-tour/0-0.png\n:alt: Figure size 640x480\n```" in page
    assert (tmp_path / "img" / "01-tour" / "0-0.png").read_bytes() == b"hi"


def test_a_table_is_preferred_to_its_text(tmp_path):
    page = page_of(tmp_path, code("table", shown(text_html="<table></table>", text_plain="words")))
    assert '```{raw} html\n<div class="output"><table></table></div>\n```' in page
    assert "words" not in page


def test_backticks_in_an_output_close_no_block(tmp_path):
    assert "````text\n```\n````" in page_of(tmp_path, code("x", shown(text_plain="```")))
