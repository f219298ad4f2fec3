"""Many small images on one page: filters, activations, samples of a data set."""

from collections.abc import Sequence
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from minicap.arrays import Array, to_host
from minicap.errors import InputError, ShapeError
from minicap.plots.figure import GREY
from minicap.plots.page import TITLE, Box, Page, check_photos, text_height, usual_shape, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches, but the font size in points.
_MARGIN, _WIDTH, _LEAST_WIDTH, _LARGEST, _BELOW, _SIZE = 0.15, 6.5, 2.2, 1.2, 0.5, 8.0


def filter_grid(w: Array, title: str = "") -> "Figure":
    """Filters (F, C, HH, WW) of a first layer as images, each stretched to its own range of values.

    C: 3 for colour (RGB), 1 for grey.  A filter with one value everywhere is middle grey.
    Raises ShapeError, InputError for values that are not finite.
    """
    filters = _finite("filter_grid", "w", w)
    if filters.ndim != 4 or filters.shape[1] not in (1, 3) or filters.size == 0:
        raise ShapeError(
            f"filter_grid: w is {filters.shape} but must be (F, 3, HH, WW) or (F, 1, HH, WW); "
            "for a deeper layer pass one input channel, w[:, c : c + 1]"
        )
    low, high = filters.min(axis=(1, 2, 3), keepdims=True), filters.max(axis=(1, 2, 3), keepdims=True)
    flat = high == low
    stretched = np.where(flat, 0.5, (filters - low) / np.where(flat, 1.0, high - low))
    colours = stretched.repeat(3 // filters.shape[1], axis=1).transpose(0, 2, 3, 1)
    return _grid(list(colours), title=title).figure


def activation_grid(maps: Array, title: str = "") -> "Figure":
    """Activations (C, H, W) of one image, one map per channel, all in the same colours.

    The brightest 0.5 % of all values share the last colour, so that a few peaks do not darken the rest.
    Raises ShapeError, InputError for values that are not finite.
    """
    values = _finite("activation_grid", "maps", maps)
    if values.ndim != 3 or values.size == 0:
        raise ShapeError(f"activation_grid: maps is {values.shape} but must be (C, H, W), of one image")
    low, high = min(0.0, float(values.min())), float(np.percentile(values, 99.5))
    high = high if high > low else low + 1
    page = _grid(list(values), title=title, bottom=_BELOW, cmap="viridis", vmin=low, vmax=high)
    width, height = page.figure.get_size_inches()
    bar_width = min(2.4, width - 0.8)
    bar = page.figure.add_axes(
        ((width - bar_width) / 2 / width, 0.3 / height, bar_width / width, 0.1 / height)
    )
    extend = "max" if values.max() > high else "neither"
    scale = page.figure.colorbar(page.axes.images[0], cax=bar, orientation="horizontal", extend=extend)
    scale.outline.set_visible(False)
    bar.set_title("activation", fontsize=_SIZE, color=GREY, pad=3)
    bar.tick_params(labelsize=_SIZE, labelcolor=GREY, color=GREY, length=2, pad=2)
    bar.locator_params(nbins=4)
    return page.figure


def image_grid(
    images: Sequence[np.ndarray], labels: Sequence[str] = (), columns: int | None = None, title: str = ""
) -> "Figure":
    """Images side by side, each with its label beneath when labels are given.

    images: (H, W, 3) uint8 each, of any sizes.  columns: None for about as many as rows.
    Raises ShapeError, DtypeError, InputError.
    """
    check_photos("image_grid", images)
    if labels and len(labels) != len(images):
        raise ShapeError(f"image_grid: there are {len(images)} images but {len(labels)} labels")
    if columns is not None and columns < 1:
        raise InputError(f"image_grid: columns is {columns} but must be at least 1")
    return _grid(images, labels, columns, title).figure


def _grid(
    images: Sequence[np.ndarray],
    labels: Sequence[str] = (),
    columns: int | None = None,
    title: str = "",
    bottom: float = 0.0,
    **options: Any,
) -> Page:
    """A page of images in equal cells, with `bottom` inches left free below.  options: of imshow."""
    columns = min(columns or ceil(sqrt(len(images))), len(images))
    rows = -(-len(images) // columns)
    cell = min(_LARGEST, (_WIDTH - 2 * _MARGIN) / columns)
    cell = max(cell, 0.9) if labels else cell
    image_width, gap = 0.94 * cell, 0.06 * cell
    image_height = image_width * usual_shape(images)
    label_height = 0.02 + text_height(2, _SIZE) if labels else 0.0
    cell_height = image_height + label_height + gap

    width = max(_LEAST_WIDTH, 2 * _MARGIN + columns * cell - gap)
    heading = wrap(title, width - 2 * _MARGIN, TITLE, True, most_lines=2)
    top = _MARGIN + (text_height(len(heading), TITLE) + 0.08 if heading else 0)
    page = Page(width, top + rows * cell_height - gap + _MARGIN + bottom)
    page.text(_MARGIN, _MARGIN, heading, TITLE, bold=True)
    for i, image in enumerate(images):
        x, y = _MARGIN + cell * (i % columns), top + cell_height * (i // columns)
        page.image(image, Box(x, y, image_width, image_height), **options)
        if labels:
            lines = wrap(labels[i], image_width, _SIZE, most_lines=2)
            page.text(x, y + image_height + 0.02, lines, _SIZE)
    return page


def _finite(function: str, name: str, array: Array) -> NDArray[np.float64]:
    values = np.asarray(to_host(array), dtype=np.float64)
    if not np.isfinite(values).all():
        raise InputError(f"{function}: {name} has values that are not finite")
    return values
