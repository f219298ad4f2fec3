"""What all figures share: how they are made and saved, and their colours."""

import os
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from minicap.errors import InputError, MissingExtra
from minicap.formats.atomic import atomic_write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Colours that readers with any kind of colour vision can tell apart (Okabe & Ito 2008).
BLUE, VERMILION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
ORANGE, SKY, BLACK = "#E69F00", "#56B4E9", "#000000"
INK, GREY, PALE, MAT = "#1A1A1A", "#666666", "#E4E4E4", "#F3F3F3"

FORMATS = ("png", "pdf", "svg")
_MOST_PIXELS = 2**16 - 1  # along one side, a limit of matplotlib's renderer


def require_matplotlib() -> None:
    """Raise MissingExtra when matplotlib is not installed."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError:
        raise MissingExtra("figures need matplotlib: pip install matplotlib") from None


def new_figure(width: float, height: float) -> "Figure":
    """An empty white figure, width x height inches, that a notebook shows as its cell's value.

    Raises MissingExtra when matplotlib is not installed.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    class NotebookFigure(Figure):
        """Jupyter shows a bare Figure as its name alone until pyplot has been imported."""

        def _repr_png_(self) -> bytes:
            return _rendered(self, "png", dpi=100)

    return NotebookFigure(figsize=(width, height), facecolor="white")


def figure_format(path: str | os.PathLike[str]) -> str:
    """ "png", "pdf" or "svg", by the suffix of the path.  Raises InputError for any other."""
    ending = Path(path).suffix.lower().removeprefix(".")
    if ending not in FORMATS:
        raise InputError(f"save_figure: {path} must end in " + ", ".join(f".{name}" for name in FORMATS))
    return ending


def save_figure(figure: "Figure", path: str | os.PathLike[str], dpi: int = 150) -> None:
    """Write a figure as .png, .pdf or .svg; an existing file is replaced completely or kept.

    dpi: pixels per inch of a PNG.
    Raises InputError for another suffix, a figure too large at this dpi, or a path that cannot be written.
    """
    ending = figure_format(path)
    if not dpi > 0:
        raise InputError(f"save_figure: dpi is {dpi} but must be positive")
    inches = max(figure.get_size_inches())
    if ending == "png" and inches * dpi > _MOST_PIXELS:
        fitting = int(_MOST_PIXELS / inches)
        raise InputError(
            f"save_figure: the figure is {inches:.0f} inches long; at dpi {fitting} or less it fits"
        )
    atomic_write_bytes(path, _rendered(figure, ending, dpi))


def _rendered(figure: "Figure", ending: str, dpi: int) -> bytes:
    buffer = BytesIO()
    figure.savefig(buffer, format=ending, dpi=dpi, facecolor="white")
    return buffer.getvalue()
