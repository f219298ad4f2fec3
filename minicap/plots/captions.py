"""Photos with the captions of the model and of people."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minicap.errors import InputError, ShapeError
from minicap.plots.figure import GREY
from minicap.plots.page import TITLE, Box, Page, check_photos, text_height, usual_shape, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches.
_WIDTH, _MARGIN, _BETWEEN_COLUMNS, _BETWEEN_ROWS, _ABOVE_TEXT = 2.1, 0.15, 0.2, 0.2, 0.05
# Points.
_CAPTION, _REFERENCE = 9.0, 8.0
_MOST_LINES, _MOST_REFERENCES = 4, 2


def caption_sheet(
    images: Sequence[np.ndarray],
    captions: Sequence[str],
    references: Sequence[Sequence[str]] = (),
    columns: int = 4,
    title: str = "",
) -> "Figure":
    """Photos in rows; beneath each the model's caption in bold, and up to two human ones in grey.

    images: (H, W, 3) uint8 each, of any sizes.  captions: one per image.  references: a list of human
    captions per image, or () for none.  Captions are wrapped; anything beyond four lines becomes an ellipsis.
    Raises ShapeError, DtypeError, InputError.
    """
    check_photos("caption_sheet", images)
    for name, texts in (("captions", captions), ("lists of references", references or captions)):
        if len(texts) != len(images):
            raise ShapeError(f"caption_sheet: there are {len(images)} images but {len(texts)} {name}")
    if columns < 1:
        raise InputError(f"caption_sheet: columns is {columns} but must be at least 1")

    columns = min(columns, len(images))
    width = 2 * _MARGIN + columns * _WIDTH + (columns - 1) * _BETWEEN_COLUMNS
    heading = wrap(title, width - 2 * _MARGIN, TITLE, True, most_lines=2)
    photo_height = _WIDTH * usual_shape(images)
    said = [wrap(text or "(no words)", _WIDTH, _CAPTION, True, _MOST_LINES) for text in captions]
    human = [_wrapped(texts) for texts in references] or [[] for _ in images]
    heights = [photo_height + _text_height(*texts) for texts in zip(said, human, strict=True)]

    # The cells of a row are as high as its longest texts need.
    rows = range(0, len(images), columns)
    row_heights = [max(heights[first : first + columns]) for first in rows]
    top = _MARGIN + (text_height(len(heading), TITLE) + 0.08 if heading else 0)
    page = Page(width, top + sum(row_heights) + (len(rows) - 1) * _BETWEEN_ROWS + _MARGIN)
    page.text(_MARGIN, _MARGIN, heading, TITLE, bold=True)
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        x = _MARGIN + column * (_WIDTH + _BETWEEN_COLUMNS)
        y = top + sum(row_heights[:row]) + row * _BETWEEN_ROWS
        page.image(image, Box(x, y, _WIDTH, photo_height))
        below = page.text(x, y + photo_height + _ABOVE_TEXT, said[i], _CAPTION, bold=True)
        for lines in human[i]:
            below = page.text(x, below + _ABOVE_TEXT, lines, _REFERENCE, GREY)
    return page.figure


def _wrapped(references: Sequence[str]) -> list[list[str]]:
    return [wrap(text, _WIDTH, _REFERENCE, False, _MOST_LINES) for text in references[:_MOST_REFERENCES]]


def _text_height(said: list[str], human: list[list[str]]) -> float:
    references = sum(_ABOVE_TEXT + text_height(len(lines), _REFERENCE) for lines in human)
    return _ABOVE_TEXT + text_height(len(said), _CAPTION) + references
