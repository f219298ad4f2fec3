"""What in a photo a network's answer rests on."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from minicap.errors import InputError, ShapeError
from minicap.plots.figure import GREY
from minicap.plots.page import Box, Page, check_photo, text_height, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches, but the font sizes in points.
_MARGIN, _WIDTH, _GAP, _BETWEEN_ROWS = 0.15, 2.3, 0.12, 0.15
_LABEL, _HEAD = 10.0, 9.0


def attribution_sheet(
    image: np.ndarray,
    labels: Sequence[str],
    saliencies: Sequence[np.ndarray] = (),
    cams: Sequence[np.ndarray] = (),
    occlusions: Sequence[np.ndarray] = (),
) -> "Figure":
    """A row for each class: the photo, the pixels its score hangs on, and where its features lie.

    image: (H, W, 3) uint8, what the network saw of the photo.  labels: of the classes.
    saliencies, cams, occlusions: a map (h, w) of any size for each class, of values from 0, drawn over the
    whole photo; () for a kind that is not drawn.  Each map is scaled to its own largest values.
    Raises ShapeError, DtypeError, InputError for values that are negative or not finite.
    """
    check_photo("attribution_sheet", image)
    if not labels:
        raise ShapeError("attribution_sheet: there are 0 labels")
    for name, maps in (("saliencies", saliencies), ("cams", cams), ("occlusions", occlusions)):
        if len(maps) not in (0, len(labels)):
            raise ShapeError(f"attribution_sheet: there are {len(labels)} labels but {len(maps)} {name}")
        for values in maps:
            if values.ndim != 2:
                raise ShapeError(f"attribution_sheet: {name} has a map {values.shape}; it must be (h, w)")
            if not (np.isfinite(values).all() and values.min() >= 0):
                raise InputError(f"attribution_sheet: {name} must be finite and not negative")
    kinds = {"saliency": saliencies, "Grad-CAM": cams, "occlusion": occlusions}
    drawn = {head: maps for head, maps in kinds.items() if len(maps)}
    heads = ["photo", *drawn]
    width = 2 * _MARGIN + len(heads) * (_WIDTH + _GAP) - _GAP
    height = _WIDTH * image.shape[0] / image.shape[1]
    above = text_height(1, _LABEL) + 0.04
    top = _MARGIN + text_height(1, _HEAD) + 0.04
    page = Page(width, top + len(labels) * (above + height + _BETWEEN_ROWS) - _BETWEEN_ROWS + _MARGIN)
    grey = np.asarray(Image.fromarray(image).convert("L").convert("RGB"))
    for column, head in enumerate(heads):
        page.text(_MARGIN + column * (_WIDTH + _GAP), _MARGIN, [head], _HEAD, GREY)
    for row, label in enumerate(labels):
        y = top + row * (above + height + _BETWEEN_ROWS)
        page.text(_MARGIN, y, wrap(label, width - 2 * _MARGIN, _LABEL, True, most_lines=1), _LABEL, bold=True)
        boxes = [
            Box(_MARGIN + column * (_WIDTH + _GAP), y + above, _WIDTH, height) for column in range(len(heads))
        ]
        page.image(image, boxes[0])
        for (head, maps), box in zip(drawn.items(), boxes[1:], strict=True):
            if head == "saliency":
                page.image(_over(image, maps[row]), box, cmap="gray", vmin=0, vmax=1)
            else:
                page.image(grey, box)
                page.image(_over(image, maps[row]), box, cmap="inferno", vmin=0, vmax=1, alpha=0.6)
    return page.figure


def _over(image: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The scaled map in the size of the image, whose shape the network may have squashed."""
    size = image.shape[1], image.shape[0]
    return np.asarray(Image.fromarray(_scaled(values)).resize(size, Image.Resampling.BILINEAR))


def _scaled(values: np.ndarray) -> np.ndarray:
    """Values in 0..1; the largest 0.5 % share the last, so that a few peaks do not darken the rest."""
    most = float(np.percentile(values, 99.5)) or float(values.max()) or 1.0
    return np.minimum(values / most, 1).astype(np.float32)
