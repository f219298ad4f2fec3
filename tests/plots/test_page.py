import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("matplotlib", reason="matplotlib is not installed")

from minicap.plots.page import Page, wrap

WIDE = 100.0


def test_a_short_text_stays_on_one_line():
    assert wrap("a dog", WIDE, 9) == ["a dog"]
    assert wrap("", WIDE, 9) == []


def test_white_space_and_line_ends_are_one_space():
    assert wrap(" a \n  dog ", WIDE, 9) == ["a dog"]


def test_a_long_text_breaks_between_words_and_keeps_them_all():
    text = "a man riding a wave on top of a surfboard in the ocean"
    lines = wrap(text, 1.0, 9, most_lines=99)
    assert len(lines) > 2
    assert " ".join(lines) == text


def test_what_does_not_fit_becomes_an_ellipsis():
    lines = wrap("one two three four five six seven eight nine ten", 0.7, 9, most_lines=2)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert not lines[1].endswith(" …")


def test_a_word_wider_than_the_line_is_broken():
    lines = wrap("x" * 50, 1.0, 9, most_lines=99)
    assert len(lines) > 2
    assert "".join(lines) == "x" * 50


def test_a_line_narrower_than_a_letter_still_ends():
    assert wrap("dog", 0.001, 9, most_lines=99) == ["d", "o", "g"]


@settings(max_examples=25)
@given(st.text("abcW.$_ ", max_size=80), st.booleans(), st.integers(1, 4))
def test_every_line_is_drawn_within_its_width(text, bold, most_lines):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    width, size = 1.2, 9.0
    lines = wrap(text, width, size, bold, most_lines)
    assert len(lines) <= most_lines
    page = Page(3, 3)
    page.text(0.5, 0.5, lines, size, bold=bold)
    page.figure.dpi = 150
    canvas = FigureCanvasAgg(page.figure)
    for drawn in page.axes.texts:
        box = drawn.get_window_extent(canvas.get_renderer())
        assert box.width / 150 <= width
