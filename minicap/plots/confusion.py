"""Which classes a classifier confuses."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from minicap.errors import InputError, ShapeError
from minicap.plots.figure import BLUE, GREY, INK, new_figure, require_matplotlib
from minicap.plots.page import TITLE, text_height, text_width, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Inches, but the font size in points.
_CELL, _SMALL_CELL, _SIDE, _LONGEST_NAME, _LABEL, _EDGE, _SIZE = 0.42, 0.17, 6.0, 1.2, 0.35, 0.15, 8.0
_MOST_COUNTS, _MOST_NAMES = 20, 50  # classes whose counts can be read in their cells, and their names


def confusion_table(
    counts: NDArray[np.int64],
    names: Sequence[str],
    title: str = "",
    rows: str = "is",
    columns: str = "taken for",
) -> "Figure":
    """True classes as rows, predicted classes as columns, with the right answers on the diagonal.

    counts: (K, K), as minicap.metrics.classification.confusion_matrix.  names: K.
    rows, columns: what their names say of a sample.
    A cell's blue grows with the root of its share of the row, so that rare mistakes are visible beside many
    right answers.  For up to 20 classes the counts are written in the cells, for up to 50 the names beside.
    Raises ShapeError, InputError for negative counts.
    """
    K = len(names)
    if np.shape(counts) != (K, K) or K == 0:
        raise ShapeError(f"confusion_table: counts is {np.shape(counts)} but there are {K} names")
    if np.min(counts) < 0:
        raise InputError(f"confusion_table: a count is {np.min(counts)} but none can be negative")
    require_matplotlib()
    from matplotlib.colors import LinearSegmentedColormap

    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    named = K <= _MOST_NAMES
    shown = [[*wrap(name, _LONGEST_NAME, _SIZE), ""][0] for name in names] if named else [str(K)]
    side = K * _CELL if K <= _MOST_COUNTS else K * _SMALL_CELL if named else _SIDE
    left = max(text_width(name, _SIZE, False) for name in shown) + _LABEL
    heading = wrap(title, left + side, TITLE, True, most_lines=2)
    top = left + text_height(len(heading), TITLE) + 0.1
    width, height = left + side + _EDGE, top + side + _EDGE
    figure = new_figure(width, height)
    panel = figure.add_axes((left / width, _EDGE / height, side / width, side / height))
    panel.imshow(
        np.sqrt(shares), cmap=LinearSegmentedColormap.from_list("blues", ["white", BLUE]), vmin=0, vmax=1
    )
    figure.text(
        0.1 / width,
        1 - 0.08 / height,
        "\n".join(heading),
        va="top",
        fontsize=TITLE,
        fontweight="bold",
        color=INK,
        parse_math=False,
    )
    panel.xaxis.tick_top()
    panel.xaxis.set_label_position("top")
    panel.set_xlabel(columns, fontsize=_SIZE + 1, color=GREY)
    panel.set_ylabel(rows, fontsize=_SIZE + 1, color=GREY)
    for spine in panel.spines.values():
        spine.set_color(GREY)
    if named:
        panel.set_xticks(range(K), shown, rotation=90, parse_math=False)
        panel.set_yticks(range(K), shown, parse_math=False)
    panel.tick_params(length=0, labelsize=_SIZE, labelcolor=INK)
    if K <= _MOST_COUNTS:
        for row, column in np.argwhere(counts > 0):
            color = "white" if shares[row, column] > 0.4 else INK
            panel.text(
                column,
                row,
                f"{counts[row, column]}",
                ha="center",
                va="center",
                fontsize=_SIZE - 1,
                color=color,
            )
    return figure
