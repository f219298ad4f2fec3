"""The roofline as a picture: flops per second over flops per byte, both logarithmic, one point per layer."""

from collections.abc import Sequence
from math import log10
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.roofline.layers import Work
from benchmarks.roofline.roof import Roof
from minicap.plots.figure import BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, VERMILION, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLES = {"conv": (BLUE, "o"), "affine": (VERMILION, "s"), "relu": (GREEN, "^"), "pool": (ORANGE, "D")}
_OTHER = (PURPLE, "v")
# In shares of a panel: points closer than that share a label; the room a label takes.
_TOGETHER, _WIDTH, _LINE = 0.025, 0.14, 0.045
_MOST_NAMES = 4


def draw_roofline(works: Sequence[Work], roofs: Sequence[Roof], title: str) -> "Figure":
    """A panel for the forward and one for the backward.

    roofs: the last is that of the threads that the works ran on.
    """
    figure = new_figure(11.0, 5.4)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    figure.suptitle(title, x=0.02, ha="left", fontsize=11, fontweight="bold", color=INK)
    left, right = _around([work.intensity for work in works])
    rates = [work.rate / 1e9 for work in works] + [work.multiplied / work.seconds / 1e9 for work in works]
    bottom, top = _around([*rates, roofs[-1].flops / 1e9])
    for panel, phase in zip(panels, ("forward", "backward"), strict=True):
        panel.set(xscale="log", yscale="log", xlim=(left, right), ylim=(bottom, top))
        panel.set_title(phase, loc="left", fontsize=10, color=INK)
        panel.set_xlabel("flops per byte of inputs, outputs and weights")
        for roof in roofs:
            _draw_roof(panel, roof, is_own=roof is roofs[-1])
        own = [work for work in works if work.phase == phase]
        _draw_points(panel, own)
        _label(panel, own)
        _dress(panel)
    panels[0].set_ylabel("GF/s of the direct algorithm")
    return figure


def _draw_roof(panel: "Axes", roof: Roof, is_own: bool) -> None:
    left, right = panel.get_xlim()
    x = np.array([left, roof.flops / roof.bytes, right])
    style: dict[str, Any] = (
        {"color": INK, "lw": 1.4} if is_own else {"color": GREY, "lw": 1.0, "ls": (0, (4, 3))}
    )
    name = f"{roof.threads} threads" if roof.threads > 1 else "one thread"
    label = f"{name}: {roof.flops / 1e9:.0f} GF/s, {roof.bytes / 1e9:.0f} GB/s"
    panel.plot(x, [roof.at(intensity) / 1e9 for intensity in x], zorder=1, label=label, **style)


def _draw_points(panel: "Axes", works: Sequence[Work]) -> None:
    """One point per layer; below it, where fewer products were made, an open one at the rate of those."""
    name = "products really made"
    for work in works:
        color, marker = _style(work.layer)
        if work.multiplied < work.flops:
            made = work.multiplied / work.seconds / 1e9
            ends = [work.rate / 1e9, made]
            panel.plot([work.intensity] * 2, ends, color=color, lw=0.6, ls=(0, (1, 2)), zorder=2)
            panel.plot(work.intensity, made, marker, color=color, ms=5, mfc="white", ls="", label=name)
            name = "_"  # one line in the legend
        panel.plot(work.intensity, work.rate / 1e9, marker, color=color, ms=6, mec="white", mew=0.6)


def _label(panel: "Axes", works: Sequence[Work]) -> None:
    """Names beside the points: one line for those that lie together, and lines that keep apart."""
    (left, right), (bottom, top) = np.log10(panel.get_xlim()), np.log10(panel.get_ylim())
    groups: list[tuple[float, float, list[str]]] = []  # place in shares of the panel, names
    for work in sorted(works, key=lambda work: -work.rate):
        x = (log10(work.intensity) - left) / (right - left)
        y = (log10(work.rate / 1e9) - bottom) / (top - bottom)
        if groups and abs(x - groups[-1][0]) < _TOGETHER and abs(y - groups[-1][1]) < _TOGETHER:
            groups[-1][2].append(work.layer)
        else:
            groups.append((x, y, [work.layer]))
    heights: list[tuple[float, float]] = []
    for x, y, names in groups:
        height = y
        while any(abs(x - there) < _WIDTH and abs(height - taken) < _LINE for there, taken in heights):
            height -= _LINE / 8
        heights.append((x, height))
        order = sorted(names, key=[work.layer for work in works].index)
        label = panel.annotate(
            ", ".join(order if len(order) <= _MOST_NAMES else [*order[: _MOST_NAMES - 1], "…"]),
            (x, y),
            (x + 0.03, height),
            xycoords="axes fraction",
            textcoords="axes fraction",
            va="center",
            fontsize=8,
            color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.3},
            arrowprops={"arrowstyle": "-", "color": GREY, "lw": 0.5, "shrinkA": 0, "shrinkB": 4},
        )
        label.set_in_layout(False)  # a long one may reach beyond the panel, and not shrink it


def _style(layer: str) -> tuple[str, str]:
    """Colour and marker by the kind of the layer: conv2 -> conv."""
    return _STYLES.get(layer.rpartition(".")[2].rstrip("0123456789"), _OTHER)


def _around(values: Sequence[float]) -> tuple[float, float]:
    """With some room around the values."""
    return min(values) / 2.5, max(values) * 2.5


def _dress(panel: "Axes") -> None:
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        panel.spines[side].set_color(GREY)
    panel.grid(color=PALE, lw=0.6)
    panel.set_axisbelow(True)
    panel.legend(loc="lower right", fontsize=8, frameon=False, labelcolor=INK)
    panel.tick_params(labelsize=8.5, color=GREY, labelcolor=INK)
    for axis in (panel.xaxis, panel.yaxis):
        axis.label.set(fontsize=9.5, color=INK)
        axis.set_major_formatter("{x:g}")
