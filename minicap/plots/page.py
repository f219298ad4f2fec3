"""A blank page measured in inches, for photos and the words that belong to them."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np
from PIL import Image

from minicap.errors import DtypeError, InputError, ShapeError
from minicap.plots.figure import INK, MAT, new_figure, require_matplotlib

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TITLE = 12.0  # points

Text = TypeVar("Text", str, list[str])

_POINT = 1 / 72  # inch
_LINE = 1.32  # distance of two lines, in font sizes
_MOST_PIXELS = 900  # per side of a photo; more cannot be seen at the size it is drawn
_TIGHTER = 0.97  # letters on a grid of pixels are a little wider than their outlines, which are measured


class Box(NamedTuple):
    """A rectangle in inches; x and y are those of its top left corner."""

    x: float
    y: float
    width: float
    height: float


class Page:
    """A figure drawn on in inches; x runs from the left edge, y down from the top edge."""

    def __init__(self, width: float, height: float) -> None:
        self.figure: Figure = new_figure(width, height)
        self.axes = self.figure.add_axes((0.0, 0.0, 1.0, 1.0))
        self.axes.set(xlim=(0, width), ylim=(height, 0))
        self.axes.set_axis_off()

    def image(self, image: np.ndarray, box: Box, **options: Any) -> None:
        """Draw the whole image (H, W) or (H, W, 3) in the middle of a box, as large as it fits.

        A pale mat fills the box, so that rows of images of all shapes look even.  options: of imshow.
        """
        self.bar(box, MAT)
        image = _shrunk(image) if image.dtype == np.uint8 else image
        height, width = image.shape[:2]
        scale = min(box.width / width, box.height / height)
        left, top = box.x + (box.width - scale * width) / 2, box.y + (box.height - scale * height) / 2
        extent = (left, left + scale * width, top + scale * height, top)
        self.axes.imshow(image, extent=extent, aspect="auto", **options)

    def bar(self, box: Box, color: str) -> None:
        """Draw a filled rectangle behind all images."""
        middle = box.y + box.height / 2
        self.axes.barh(middle, box.width, box.height, left=box.x, color=color, linewidth=0, zorder=-1)

    def text(
        self,
        x: float,
        y: float,
        lines: Sequence[str],
        size: float,
        color: str = INK,
        bold: bool = False,
        align: str = "left",
    ) -> float:
        """Write lines under each other, the first just below y; size in points.  Returns the y below them."""
        for line in lines:
            y += text_height(1, size)
            self.axes.text(
                x,
                y - 0.3 * size * _POINT,  # the baseline; below it is room for the tails of letters
                line,
                fontsize=size,
                fontweight=_weight(bold),
                color=color,
                ha=align,
                va="baseline",
                parse_math=False,  # a caption may hold dollar signs
            )
        return y


def text_height(lines: int, size: float) -> float:
    """Height in inches of this many lines."""
    return lines * _LINE * size * _POINT


def wrap(text: str, width: float, size: float, bold: bool = False, most_lines: int = 1) -> list[str]:
    """Break a text into lines of at most `width` inches; what does not fit most_lines becomes an ellipsis.

    Lines break at white space, within a word only when the word alone is too wide.
    """

    def fits(line: str) -> bool:
        return text_width(line, size, bold) <= _TIGHTER * width

    lines: list[str] = []
    words = text.split()
    while words and len(lines) <= most_lines:
        count = _most(words, lambda some: fits(" ".join(some)))
        line, words = " ".join(words[:count]), words[count:]
        if not fits(line):
            letters = _most(line, fits)
            line, rest = line[:letters], line[letters:]
            words = [rest, *words] if rest else words
        lines.append(line)
    if len(lines) > most_lines:
        last = lines[most_lines - 1]
        room = _most(last, lambda start: fits(start.rstrip() + "…"))
        lines[most_lines - 1 :] = [last[:room].rstrip() + "…"]
    return lines


def check_photos(function: str, images: Sequence[np.ndarray]) -> None:
    """Raise unless there are images and each is (H, W, 3) uint8."""
    if len(images) == 0:
        raise InputError(f"{function}: there are no images")
    for i, image in enumerate(images):
        check_photo(function, image, f"images[{i}]")


def check_photo(function: str, image: np.ndarray, name: str = "image") -> None:
    """Raise ShapeError or DtypeError unless the image is (H, W, 3) uint8 and not empty."""
    if np.ndim(image) != 3 or image.shape[2] != 3 or image.size == 0:
        raise ShapeError(f"{function}: {name} is {np.shape(image)} but must be (H, W, 3)")
    if image.dtype != np.uint8:
        raise DtypeError(f"{function}: {name} is {image.dtype} but must be uint8, 0..255")


def usual_shape(images: Sequence[np.ndarray]) -> float:
    """Height / width of a box that suits most of the images."""
    return float(np.clip(np.median([image.shape[0] / image.shape[1] for image in images]), 3 / 4, 4 / 3))


def _most(items: Text, fits: Callable[[Text], bool]) -> int:
    """How many of the first items fit, at least 1."""
    count = 1
    while count < len(items) and fits(items[: count + 1]):
        count += 1
    return count


@lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool) -> float:
    """Width in inches of a line; size in points."""
    require_matplotlib()
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=size, weight=_weight(bold))
    return text_to_path.get_text_width_height_descent(text, font, ismath=False)[0] * _POINT


def _weight(bold: bool) -> str:
    return "bold" if bold else "normal"


def _shrunk(image: np.ndarray) -> np.ndarray:
    if max(image.shape[:2]) <= _MOST_PIXELS:
        return image
    photo = Image.fromarray(image)
    photo.thumbnail((_MOST_PIXELS, _MOST_PIXELS), Image.Resampling.LANCZOS)
    return np.asarray(photo)
