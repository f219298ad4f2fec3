"""The course of a training run."""

from collections.abc import Sequence
from itertools import cycle, product
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from minicap.errors import InputError
from minicap.plots.figure import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PALE,
    PURPLE,
    SKY,
    VERMILION,
    new_figure,
)
from minicap.plots.page import TITLE, wrap

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Record = dict[str, Any]

_MOST_MARKERS = 60
_NOT_METRICS = {"step", "epoch", "loss", "train_loss", "validation_loss", "learning_rate", "seconds"}
_NAMES = {"cider": "CIDEr", "rouge_l": "ROUGE-L"} | {f"bleu_{n}": f"BLEU-{n}" for n in range(1, 5)}
_STYLES = ((GREEN, "o"), (PURPLE, "s"), (ORANGE, "^"), (SKY, "D"), (BLACK, "v"))


def loss_curves(
    records: Sequence[Record],
    unit: str = "loss",
    title: str = "",
    judge: str = "validation_loss",
    falls: bool = True,
    over: Literal["epoch", "minutes"] = "epoch",
) -> "Figure":
    """Loss of every step and every epoch, with the best epoch marked; metrics below when there are some.

    records: those of a run's metrics.jsonl.  A step has "step", "epoch" and "loss"; an epoch has "step" (its
    last), "epoch", "train_loss", perhaps "validation_loss", and any other number, which counts as a metric.
    unit: what the loss is, for the axis ("cross-entropy per word, nats").
    judge: the value that decides which epoch is the best; the training loss if it is not recorded.
    falls: whether low values of it are good.
    over: what the x axis counts, epochs or the minutes that the epochs say they took.
    The mean over an epoch is drawn at the epoch's middle, the validation loss at its end, where it was
    measured.
    Raises InputError when the records hold no loss, or no epochs with "seconds" to count minutes by.
    """
    steps, epochs = _having("loss", records), _having("train_loss", records)
    if not steps and not epochs:
        raise InputError("loss_curves: the records hold no loss; pass the lines of a run's metrics.jsonl")
    if over == "minutes" and (not epochs or len(_having("seconds", epochs)) < len(epochs)):
        raise InputError("loss_curves: minutes are counted by epochs with seconds, but the records lack them")
    if over == "minutes":
        steps = [r for r in steps if r["step"] <= epochs[-1]["step"]]
    metrics = sorted({key for r in epochs for key in r if key not in _NOT_METRICS and _is_number(r[key])})

    figure = new_figure(7.0, 5.6 if metrics else 3.8)
    figure.set_layout_engine("constrained", h_pad=0.08, w_pad=0.08)
    heights = {"height_ratios": [3, 2]} if metrics else {}
    grid = figure.subplots(1 + bool(metrics), 1, sharex=True, squeeze=False, gridspec_kw=heights)
    panels = list(grid[:, 0])
    if title:
        lines = wrap(title, 6.6, TITLE, True, most_lines=2)
        figure.suptitle(
            "\n".join(lines),
            x=0.02,
            ha="left",
            fontsize=TITLE,
            fontweight="bold",
            color=INK,
            parse_math=False,
        )

    losses = panels[0]
    if steps:
        faint = {"alpha": 0.3, "lw": 0.8} if epochs else {"lw": 1.4}
        losses.plot(
            _time(steps, epochs, over), [r["loss"] for r in steps], color=BLUE, label="each step", **faint
        )
    if epochs:
        ends = _time(epochs, epochs, over)
        half_epochs = np.diff(ends, prepend=ends[0] - 1 if over == "epoch" else 0) / 2
        _curve(losses, ends - half_epochs, "train_loss", epochs, "epoch mean", color=BLUE, marker="o", lw=2.2)
        _curve(losses, ends, "validation_loss", epochs, "validation", color=VERMILION, marker="s", lw=2.2)
        _best(panels, epochs, judge, falls, over)
        for key, (line, (color, marker)) in zip(metrics, cycle(product(("-", "--"), _STYLES)), strict=False):
            name = _NAMES.get(key, key.replace("_", " "))
            _curve(panels[1], ends, key, epochs, name, color=color, marker=marker, ls=line)
    losses.set_ylabel(unit, parse_math=False)
    if metrics:
        panels[1].set_ylabel("metric")
    panels[-1].set_xlabel(over if epochs else "step")
    for panel in panels:
        _dress(panel)
    return figure


def _curve(
    panel: "Axes", x: NDArray[np.float64], key: str, epochs: list[Record], label: str, **style: Any
) -> None:
    """A line through the epochs that have the key; its points are marked unless they are too close."""
    points = [
        (place, record[key]) for place, record in zip(x, epochs, strict=True) if _is_number(record.get(key))
    ]
    if len(points) > _MOST_MARKERS:
        style["marker"] = None
    if points:
        panel.plot(*zip(*points, strict=True), label=label, ms=4, **style)


def _best(panels: Sequence["Axes"], epochs: list[Record], judge: str, falls: bool, over: str) -> None:
    """A line through all panels at the epoch whose checkpoint is kept as the best."""
    key, falls = (judge, falls) if _having(judge, epochs) else ("train_loss", True)

    def rank(record: Record) -> tuple[float, float]:
        loss = "validation_loss" if _is_number(record.get("validation_loss")) else "train_loss"
        return (record[key] if falls else -record[key]), record.get(loss) or 0.0

    best = min(_having(key, epochs), key=rank)
    name = "" if key.endswith("_loss") else f"{_NAMES.get(key, key.replace('_', ' '))} "
    (x,) = _time([best], epochs, over)
    for i, panel in enumerate(panels):
        label = f"best: {name}{best[key]:.4g} after epoch {best['epoch']}" if i == 0 else None
        panel.axvline(x, color=GREY, lw=1, ls=(0, (3, 2)), zorder=0, label=label)


def _dress(panel: "Axes") -> None:
    """Few frame lines, and the legend above the panel, where it hides nothing."""
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        panel.spines[side].set_color(GREY)
    panel.grid(axis="y", color=PALE, lw=0.7)
    panel.set_axisbelow(True)
    panel.tick_params(labelsize=9, color=GREY, labelcolor=INK)
    panel.margins(x=0.02)
    panel.locator_params(axis="x", integer=True)
    for label in (panel.xaxis.label, panel.yaxis.label):
        label.set(fontsize=10, color=INK)
    panel.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        ncols=5,
        fontsize=9,
        frameon=False,
        borderaxespad=0,
        handlelength=1.6,
        columnspacing=1.4,
        labelcolor=INK,
    )


def _time(records: list[Record], epochs: list[Record], over: str) -> NDArray[np.float64]:
    """The records' positions on the x axis: epochs done, minutes, or steps before the first epoch is done."""
    steps = np.array([r["step"] for r in records], dtype=np.float64)
    if not epochs:
        return steps
    if over == "minutes":
        known = np.array([(0, 0), *((r["step"], r["seconds"] / 60) for r in epochs)], dtype=np.float64)
        return np.interp(steps, *known.T)
    known = np.array([(0, 0), *((r["step"], r["epoch"]) for r in epochs)], dtype=np.float64)
    (step, epoch), (before, done_before) = known[-1], known[-2]
    rate = (epoch - done_before) / max(step - before, 1)  # of the epoch that is not over yet
    return np.interp(steps, *known.T) + np.maximum(steps - step, 0) * rate


def _having(key: str, records: Sequence[Record]) -> list[Record]:
    return [r for r in records if _is_number(r.get(key))]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
