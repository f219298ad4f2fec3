"""What a sweep found, every run a dot."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from minicap.errors import InputError, ShapeError
from minicap.plots.figure import BLUE, GREY, INK, PALE, SKY, new_figure
from minicap.plots.page import TITLE, wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SIZE, _LINE, _AROUND = 9.0, 0.32, 1.0  # points, inches of a cell, inches above and below all
_MOST = 60  # cells; more cannot be read


def sweep_dots(
    labels: Sequence[str], values: Sequence[Sequence[float]], measure: str = "value", title: str = ""
) -> "Figure":
    """A line for each cell: a light dot for every run, a dark one at their mean.

    labels: of the cells, from the top down.  values: of the runs of each; none where all have failed.
    measure: what the values are, for the axis.  Of more than 60 cells the first are drawn.
    Raises ShapeError unless there are values for each label, InputError when there is no value at all.
    """
    if len(labels) != len(values):
        raise ShapeError(f"sweep_dots: there are {len(labels)} labels but values for {len(values)}")
    if not any(values):
        raise InputError("sweep_dots: there is no value to draw; no run was finished")
    labels, values = labels[:_MOST], values[:_MOST]
    figure = new_figure(7.0, _AROUND + _LINE * len(labels))
    figure.set_layout_engine("constrained", h_pad=0.08, w_pad=0.08)
    panel = figure.subplots()
    for y, of_cell in enumerate(values):
        panel.plot(of_cell, [y] * len(of_cell), "o", color=SKY, alpha=0.7, ms=6, mew=0, label="a run")
        if of_cell:
            panel.plot([sum(of_cell) / len(of_cell)], [y], "D", color=BLUE, ms=6, label="mean")
    panel.set_ylim(len(labels) - 0.5, -0.5)
    panel.set_yticks(
        range(len(labels)), ["\n".join(wrap(label, 2.8, _SIZE, most_lines=2)) for label in labels]
    )
    for label in panel.get_yticklabels():
        label.set_parse_math(False)
    panel.set_xlabel(measure.replace("_", " "), fontsize=_SIZE + 1, color=INK, parse_math=False)
    panel.grid(axis="both", color=PALE, lw=0.8)
    panel.set_axisbelow(True)
    panel.tick_params(length=0, labelsize=_SIZE, labelcolor=INK)
    for spine in panel.spines.values():
        spine.set_visible(False)
    handles, names = panel.get_legend_handles_labels()
    first = {name: handle for handle, name in zip(handles, names, strict=True)}
    panel.legend(
        first.values(), first, loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False,
        fontsize=_SIZE, labelcolor=GREY,
    )  # fmt: skip
    if title:
        panel.set_title(title, loc="left", fontsize=TITLE, fontweight="bold", color=INK, parse_math=False)
    return figure
