"""Photos with the labels that a tagger gives them: right, wrong and missed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, to_host
from minicap.errors import InputError, ShapeError
from minicap.plots.figure import BLUE, GREEN, GREY, INK, PALE, VERMILION
from minicap.plots.page import TITLE, Box, Page, check_photos, text_height, usual_shape, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches, but the font sizes in points.
_WIDTH, _MARGIN, _BETWEEN_COLUMNS, _BETWEEN_ROWS, _ABOVE_TEXT = 2.3, 0.15, 0.25, 0.2, 0.05
_SIZE, _SMALL = 9.0, 6.5
_STAGE, _BETWEEN_STAGES = 0.13, 0.03
_MOST_LABELS, _MOST_MISSED_LINES = 8, 2


def tag_sheet(
    images: Sequence[np.ndarray],
    given: Sequence[Sequence[tuple[str, float]]],
    there: Sequence[Sequence[str]] = (),
    attention: Sequence[Array] = (),
    columns: int = 3,
    title: str = "",
) -> "Figure":
    """Photos in rows; beneath each, a line for every label given, with a tick where the photo has it and a
    cross where it has not, and the labels that were missed.

    images: (H, W, 3) uint8 each, of any sizes.  given: the labels of each photo with their probabilities; of
    more than eight the first are shown.  there: the true labels of each photo, or () where they are unknown.
    attention: (T, S) for each photo, how much each stage of the encoder was looked at before each label,
    drawn as S bars beside it; or ().
    Raises ShapeError, DtypeError, InputError.
    """
    check_photos("tag_sheet", images)
    if columns < 1:
        raise InputError(f"tag_sheet: columns is {columns} but must be at least 1")
    lists = {"lists of labels given": given, "lists of true labels": there, "arrays of attention": attention}
    for name, found in lists.items():
        if len(found) != len(images) and (found or name.endswith("given")):
            raise ShapeError(f"tag_sheet: there are {len(images)} images but {len(found)} {name}")
    weights = [np.asarray(to_host(of_photo), dtype=np.float64) for of_photo in attention]
    for of_photo, labels in zip(weights, given, strict=bool(weights)):
        if labels and (of_photo.ndim != 2 or len(of_photo) != len(labels)):
            raise ShapeError(
                f"tag_sheet: attention is {of_photo.shape} but must be ({len(labels)}, S), "
                "a row for each label"
            )

    columns = min(columns, len(images))
    width = 2 * _MARGIN + columns * _WIDTH + (columns - 1) * _BETWEEN_COLUMNS
    heading = wrap(title, width - 2 * _MARGIN, TITLE, True, most_lines=2)
    photo_height = _WIDTH * usual_shape(images)
    missed = [_missed(labels, of_photo) for labels, of_photo in zip(given, there, strict=False)]
    missed = missed or [[] for _ in images]
    heights = [
        _ABOVE_TEXT
        + text_height(1, _SMALL) * bool(attention)
        + text_height(min(max(len(labels), 1), _MOST_LABELS) + len(lines), _SIZE)
        for labels, lines in zip(given, missed, strict=True)
    ]

    # The cells of a row are as high as its longest list needs.
    rows = range(0, len(images), columns)
    row_heights = [photo_height + max(heights[first : first + columns]) for first in rows]
    top = _MARGIN + (text_height(len(heading), TITLE) + 0.08 if heading else 0)
    page = Page(width, top + sum(row_heights) + (len(rows) - 1) * _BETWEEN_ROWS + _MARGIN)
    page.text(_MARGIN, _MARGIN, heading, TITLE, bold=True)
    for i, image in enumerate(images):
        row, column = divmod(i, columns)
        x = _MARGIN + column * (_WIDTH + _BETWEEN_COLUMNS)
        y = top + sum(row_heights[:row]) + row * _BETWEEN_ROWS
        page.image(image, Box(x, y, _WIDTH, photo_height))
        truth = there[i] if there else None
        below = y + photo_height + _ABOVE_TEXT
        below = _labels(page, x, below, given[i], truth, weights[i] if weights else None)
        page.text(x, below, missed[i], _SIZE, GREY)
    return page.figure


def _labels(
    page: Page,
    x: float,
    y: float,
    given: Sequence[tuple[str, float]],
    there: Sequence[str] | None,
    attention: NDArray[np.float64] | None,
) -> float:
    """The lines of the labels given, from y on.  Returns the y below them."""
    if not given:
        return page.text(x, y, ["nothing it knows"], _SIZE, GREY)
    stages = 0 if attention is None else attention.shape[1]
    first_bar = x + _WIDTH - stages * (_STAGE + _BETWEEN_STAGES)
    if attention is not None:
        for stage in range(stages):
            middle = first_bar + stage * (_STAGE + _BETWEEN_STAGES) + _STAGE / 2
            page.text(middle, y, [str(stage + 1)], _SMALL, GREY, align="center")
        page.text(first_bar - 0.05, y, ["stage"], _SMALL, GREY, align="right")
        y += text_height(1, _SMALL)
    for t, (label, probability) in enumerate(given[:_MOST_LABELS]):
        mark, colour = ("", INK) if there is None else ("✓ ", GREEN) if label in there else ("✗ ", VERMILION)
        line = wrap(f"{mark}{label} {probability:.0%}", first_bar - x - 0.05, _SIZE, bool(mark))
        if attention is not None:
            _bars(page, first_bar, y, attention[t])
        y = page.text(x, y, line, _SIZE, colour, bold=bool(mark))
    return y


def _bars(page: Page, x: float, y: float, weights: NDArray[np.float64]) -> None:
    """A bar for each weight in 0..1, a full one as high as a line."""
    full = 0.85 * text_height(1, _SIZE)
    for weight in weights:
        page.bar(Box(x, y, _STAGE, full), PALE)
        page.bar(Box(x, y + (1 - weight) * full, _STAGE, weight * full), BLUE)
        x += _STAGE + _BETWEEN_STAGES


def _missed(given: Sequence[tuple[str, float]], there: Sequence[str]) -> list[str]:
    said = {label for label, _ in given}
    missed = ", ".join(label for label in there if label not in said)
    return wrap(f"missed: {missed}", _WIDTH, _SIZE, False, _MOST_MISSED_LINES) if missed else []
