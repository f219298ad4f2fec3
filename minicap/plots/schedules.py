"""Learning rates over a run."""

from collections.abc import Callable, Mapping
from math import ceil
from typing import TYPE_CHECKING

from minicap.errors import InputError
from minicap.plots.figure import BLUE, GREY, INK, PALE, new_figure
from minicap.plots.page import wrap

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLE_WIDTH = 1.7  # inches, that of a panel


def schedule_curves(
    schedules: Mapping[str, Callable[[int], float]], steps: int, columns: int = 4
) -> "Figure":
    """The learning-rate factor at every step of a run, one panel per schedule.

    schedules: by title (see minicap.optim).  steps: of the run.
    Raises InputError when there are no schedules, or no steps or columns.
    """
    if not schedules or steps < 1 or columns < 1:
        raise InputError(
            f"schedule_curves: {len(schedules)} schedules, {steps} steps, {columns} columns; "
            "there must be one of each at least"
        )
    columns = min(columns, len(schedules))
    rows = ceil(len(schedules) / columns)
    figure = new_figure(2.1 * columns + 0.3, 1.6 * rows + 0.4)
    figure.set_layout_engine("constrained", h_pad=0.06, w_pad=0.06)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for panel in grid.flat[len(schedules) :]:
        panel.set_axis_off()
    for panel, (name, schedule) in zip(grid.flat, schedules.items(), strict=False):
        panel.plot(range(steps), [schedule(step) for step in range(steps)], color=BLUE, lw=1.8)
        title = "\n".join(wrap(name, _TITLE_WIDTH, 10, most_lines=2))
        panel.set_title(title, loc="left", fontsize=10, color=INK, parse_math=False)
        panel.set(xlim=(0, steps), xticks=[0, steps], ylim=(-0.05, 1.08), yticks=[0, 0.5, 1])
        panel.grid(axis="y", color=PALE, lw=0.7)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.spines[["left", "bottom"]].set_color(GREY)
        panel.tick_params(labelsize=9, color=GREY, labelcolor=INK)
    figure.supxlabel("step", fontsize=10, color=INK)
    figure.supylabel("factor", fontsize=10, color=INK)
    return figure
