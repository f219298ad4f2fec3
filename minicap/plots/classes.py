"""A photo and the classes a network sees in it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minicap.errors import InputError, ShapeError
from minicap.plots.figure import BLUE, GREY, INK, PALE, SKY
from minicap.plots.page import Box, Page, check_photo, text_height, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches, but the font size in points.
_MARGIN, _PHOTO, _BESIDE_PHOTO = 0.2, 3.0, 0.35
_SIZE, _BAR_WIDTH, _BAR_HEIGHT, _NUMBER_WIDTH, _BETWEEN_BARS = 10.0, 3.0, 0.13, 0.65, 0.16


def top_classes(image: np.ndarray, names: Sequence[str], probabilities: Sequence[float]) -> "Figure":
    """The photo, and beside it a bar from 0 to 100 % for each class, in the order given.

    image: (H, W, 3) uint8.  Raises ShapeError, DtypeError, InputError for a probability outside 0..1.
    """
    check_photo("top_classes", image)
    if len(names) != len(probabilities) or len(names) == 0:
        raise ShapeError(
            f"top_classes: {len(names)} names but {len(probabilities)} probabilities; one of each is needed"
        )
    for name, p in zip(names, probabilities, strict=True):
        if not 0 <= p <= 1:
            raise InputError(f"top_classes: the probability of {name!r} is {p} but must be 0..1")

    scale = _PHOTO / max(image.shape)
    photo_height, photo_width = scale * image.shape[0], scale * image.shape[1]
    bar_top = text_height(1, _SIZE) + 0.03
    bars_height = len(names) * (bar_top + _BAR_HEIGHT + _BETWEEN_BARS) - _BETWEEN_BARS
    height = max(photo_height, bars_height)
    left = _MARGIN + photo_width + _BESIDE_PHOTO
    page = Page(left + _BAR_WIDTH + _NUMBER_WIDTH + _MARGIN, 2 * _MARGIN + height)
    page.image(image, Box(_MARGIN, _MARGIN + (height - photo_height) / 2, photo_width, photo_height))

    y = _MARGIN + (height - bars_height) / 2
    for place, (name, p) in enumerate(zip(names, probabilities, strict=True)):
        first = place == 0
        y = page.text(left, y, wrap(name, _BAR_WIDTH, _SIZE, first), _SIZE, bold=first) + 0.03
        page.bar(Box(left, y, _BAR_WIDTH, _BAR_HEIGHT), PALE)
        page.bar(Box(left, y, _BAR_WIDTH * p, _BAR_HEIGHT), BLUE if first else SKY)
        beside = y + (_BAR_HEIGHT - text_height(1, _SIZE)) / 2
        right = left + _BAR_WIDTH + _NUMBER_WIDTH
        page.text(right, beside, [_percent(p)], _SIZE, INK if first else GREY, first, align="right")
        y += _BAR_HEIGHT + _BETWEEN_BARS
    return page.figure


def _percent(p: float) -> str:
    return f"{p:.1%}" if p >= 0.0005 or p == 0 else "< 0.1%"
