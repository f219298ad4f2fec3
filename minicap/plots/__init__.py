"""Figures: curves, sweeps, sheets of captions and labels, attention, classes, filters, activations.

Every function returns a matplotlib Figure of its own: pyplot, its backend and its list of open figures are
left alone.  Needs matplotlib.
"""

from minicap.plots.attention import attention_sheet
from minicap.plots.attribution import attribution_sheet
from minicap.plots.captions import caption_sheet
from minicap.plots.classes import top_classes
from minicap.plots.confusion import confusion_table
from minicap.plots.curves import loss_curves
from minicap.plots.figure import save_figure
from minicap.plots.grids import activation_grid, filter_grid, image_grid
from minicap.plots.schedules import schedule_curves
from minicap.plots.sweeps import sweep_dots
from minicap.plots.tags import tag_sheet

__all__ = [
    "activation_grid",
    "attention_sheet",
    "attribution_sheet",
    "caption_sheet",
    "confusion_table",
    "filter_grid",
    "image_grid",
    "loss_curves",
    "save_figure",
    "schedule_curves",
    "sweep_dots",
    "tag_sheet",
    "top_classes",
]
