"""What a notebook keeps of a run, and what counts as drift."""

import base64
import copy
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from minicap import html
from tools.notebooks.outputs import drift, kept, same


def png(side: int = 8, shade: int = 200) -> str:
    buffer = BytesIO()
    Image.fromarray(np.full((side, side, 3), shade, np.uint8)).save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def printed(text: str) -> dict:
    return {"output_type": "stream", "name": "stdout", "text": text}


def shown(**data: str) -> dict:
    kinds = {"text": "text/plain", "html": "text/html", "png": "image/png"}
    data = {kinds[name]: content for name, content in data.items()}
    return {"output_type": "display_data", "data": data, "metadata": {"trace": 1}}


def book(*cells: list[dict], tags: tuple[str, ...] = ()) -> dict:
    """A notebook with one code cell for each list of outputs."""
    return {
        "cells": [
            {
                "cell_type": "code",
                "id": f"cell-{number:02}",
                "metadata": {"tags": list(tags), "execution": {"started": "today"}},
                "execution_count": 7,
                "source": "print(1)\nprint(2)",
                "outputs": outputs,
            }
            for number, outputs in enumerate(cells)
        ],
        "metadata": {"kernelspec": {"name": "my own kernel"}, "widgets": {}},
        "nbformat": 4,
        "nbformat_minor": 4,
    }


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("loss 0.5012", "loss 0.5013"),
        ("loss 0.5012", "loss   0.5013\n"),
        ("error 3e-13", "error 8e-16"),
        ("-2.204", "-2.2041"),
        ("1,234.5", "1,234.6"),
        ("a factor of 0.1", "a factor of 0.2"),  # 0.1499 and 0.1501
        ("4e-04 left", "5e-04 left"),
        ("all ok", "all ok"),
        ("nan", "nan"),
    ],
)
def test_last_digits_and_white_space_do_not_matter(before, after):
    assert same(before, after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("loss 0.50", "loss 0.55"),
        ("loss 0.50", "loss 0.52"),
        ("loss 0.50", "loss -0.50"),
        ("12 words", "13 words"),
        ("1,000 words", "1,001 words"),
        ("12 words", "12 letters"),
        ("12 words", "12 words, 3 letters"),
        ("1 2", "12"),
        ("all ok", "1 failed"),
        ("error 3e-13", "error 3e-3"),
    ],
)
def test_words_counts_and_leading_digits_do(before, after):
    assert not same(before, after)


def test_what_is_kept_has_no_traces_of_the_run():
    [cell] = kept(book([printed("1\n")]))["cells"]
    assert (cell["metadata"], cell["execution_count"]) == ({}, 1)
    assert cell["source"] == ["print(1)\n", "print(2)"]
    assert kept(book())["metadata"]["kernelspec"]["name"] == "python3"


def test_keeping_what_is_kept_changes_nothing():
    once = kept(book([printed("1\n"), shown(png=png(), text="<Figure>")], tags=("varies",)))
    assert kept(copy.deepcopy(once)) == once
    assert once["cells"][0]["metadata"] == {"tags": ["varies"]}


def test_outputs_that_show_nothing_are_dropped():
    [cell] = kept(book([shown(text=""), printed("1"), printed("2")]))["cells"]
    assert cell["outputs"] == [{"output_type": "stream", "name": "stdout", "text": ["12"]}]


def test_a_picture_is_kept_in_few_colours():
    noise = np.random.default_rng(0).integers(256, size=(64, 64, 3), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    before = base64.b64encode(buffer.getvalue()).decode()
    [cell] = kept(book([shown(png=before)]))["cells"]
    after = cell["outputs"][0]["data"]["image/png"]
    assert len(after) < len(before) / 2
    assert Image.open(BytesIO(base64.b64decode(after))).size == (64, 64)


def test_a_notebook_that_shows_the_same_has_not_drifted():
    stored = kept(book([printed("loss 0.5012")], [shown(png=png(shade=1), text="<Figure>")]))
    assert drift(stored, book([printed("loss 0.5013")], [shown(png=png(shade=9), text="<Figure>")])) == []


def test_drift_names_the_cell_and_both_texts():
    stored = kept(book([printed("one")], [printed("12 words")]))
    [found] = drift(stored, book([printed("one")], [printed("13 words")]))
    assert " ".join(found.split()) == "cell-01 stored: 12 words this run: 13 words"


def test_a_missing_picture_is_drift():
    stored = kept(book([shown(png=png(), text="<Figure>")]))
    assert drift(stored, book([])) != []
    assert drift(stored, book([shown(text="<Figure>")])) != []


def test_a_cell_that_varies_is_not_compared():
    stored = kept(book([printed("3 ms")], tags=("varies",)))
    assert drift(stored, book([printed("4 ms"), printed("5 ms")], tags=("varies",))) == []


def test_progress_is_not_compared():
    bar = shown(text="train 100%", html=html.bar("train", "2/2  3.1 batch/s", 2, 2))
    stored = kept(book([printed("done")]))
    assert drift(stored, book([bar, printed("done")])) == []
