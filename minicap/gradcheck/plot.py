"""Error of plain central differences against the step: the valley between truncation and rounding."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array, textbook
from minicap.errors import InputError, MissingExtra
from minicap.gradcheck.derivatives import STEP, odd_and_even
from minicap.gradcheck.exercise import exercise
from minicap.gradcheck.library import subjects
from minicap.gradcheck.measure import objective
from minicap.gradcheck.report import Row
from minicap.gradcheck.subject import Misfit

STEPS = 10.0 ** np.arange(-1, -12.5, -0.5)  # relative to the largest entry of the argument
_ENTRIES = 10  # of each argument; a curve needs no more
_LEGEND = 12  # more lines than that have no room for names


class Curve(NamedTuple):
    """One argument of a layer: max|a - n| / max|a| for each of STEPS."""

    label: str
    layer: str
    errors: Array


def error_curves(layers: Sequence[str] = (), progress: Callable[[str], None] | None = None) -> list[Curve]:
    """The curve of every argument of each layer's first case.  Cases that cannot run are left out."""
    curves: list[Curve] = []
    done: set[str] = set()
    with textbook(), np.errstate(all="ignore"):
        for subject in subjects(layers):
            if isinstance(subject, Row) or subject.layer in done:
                continue
            done.add(subject.layer)
            if progress:
                progress(subject.layer)
            try:
                target = objective(subject)
                gradients = exercise(subject, np.float64, target.cotangents).gradients
            except Misfit:
                continue
            for name, x, gradient in zip(subject.arguments, target.arguments, gradients, strict=True):
                if np.shape(gradient) != x.shape:
                    continue
                entries = np.linspace(0, x.size - 1, min(x.size, _ENTRIES)).astype(np.intp)
                a = np.asarray(gradient).ravel()[entries]
                largest = float(np.abs(x).max()) or 1.0
                errors = [
                    np.abs(odd_and_even(target.change, x, entries, step * largest)[0] - a).max()
                    for step in STEPS
                ]
                curves.append(
                    Curve(
                        f"{subject.layer}: {name}",
                        subject.layer,
                        np.array(errors) / max(1e-8, np.abs(a).max()),
                    )
                )
    return curves


def draw_errors(curves: Sequence[Curve]) -> Any:
    """A matplotlib Figure of the curves, log-log.  Raises MissingExtra without matplotlib."""
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtra("--plot needs matplotlib: pip install matplotlib") from None
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    layers = list(dict.fromkeys(curve.layer for curve in curves))
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.9, max(len(layers), 1)))
    few = len(curves) <= _LEGEND
    shades = matplotlib.colormaps["tab20"](np.arange(20)) if few else ()
    for i, curve in enumerate(curves):
        colour = shades[i % len(shades)] if few else colours[layers.index(curve.layer)]
        # An error of exactly zero has no place on a logarithmic axis.
        errors = np.maximum(curve.errors, 1e-16)
        axes.loglog(STEPS, errors, color=colour, lw=1.6 if few else 0.8, alpha=0.9, label=curve.label)
    axes.loglog(STEPS, STEPS**2 / 6, "k--", lw=1, label="truncation, h²/6")
    axes.loglog(STEPS, np.finfo(float).eps / STEPS, "k:", lw=1, label="rounding, eps/h")
    axes.axvline(STEP, color="0.6", lw=1)
    axes.annotate(
        "step used, h and h/2",
        (STEP, 3),
        rotation=90,
        ha="center",
        va="top",
        color="0.4",
        backgroundcolor="white",
    )
    axes.set(
        xlabel="step h, relative to the largest entry of the argument",
        ylabel="relative error of central differences",
        title=f"{len(layers)} layers, {len(curves)} arguments" if not few else "Error against step size",
        ylim=(1e-16, 10),
    )
    axes.invert_xaxis()
    if few:
        axes.legend(fontsize="small", ncols=2)
    else:
        axes.legend(handles=axes.get_lines()[-3:-1], fontsize="small")
    return figure


def save_plot(path: Path, layers: Sequence[str] = (), progress: Callable[[str], None] | None = None) -> None:
    """Draw the curves of the layers (default: all) into an image file; its suffix names the format.

    Raises MissingExtra without matplotlib, InputError when the file cannot be written.
    """
    draw_errors([])  # says at once that matplotlib is missing
    figure = draw_errors(error_curves(layers, progress))
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as error:
        raise InputError(f"gradcheck: cannot write the plot {path}: {error}") from error
