"""Where in a photo the words of a caption come from."""

from collections.abc import Sequence
from math import isqrt
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from minicap.arrays import Array, to_host
from minicap.errors import ShapeError
from minicap.plots.grids import image_grid
from minicap.plots.page import check_photo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DARKEST = 0.3  # share of the light that a place nobody looks at keeps
_COLUMNS = 5


def attention_sheet(
    image: np.ndarray, words: Sequence[str], attention: Array, relative: bool = True
) -> "Figure":
    """The photo, and for every word the photo in the light of attention, as in Xu et al. 2015.

    image: (H, W, 3) uint8, what the network saw.  words: T of them.  attention: (T, S), S places in a square.
    relative: whether a word's brightest place is as bright as in the photo and all others in proportion, so
    that a photo that is bright all over was looked at evenly; otherwise a place with 1 is as bright as that.
    Raises ShapeError, DtypeError.
    """
    check_photo("attention_sheet", image)
    weights = np.asarray(to_host(attention), dtype=np.float32)
    if weights.ndim != 2 or len(weights) != len(words) or isqrt(weights.shape[1]) ** 2 != weights.shape[1]:
        raise ShapeError(
            f"attention_sheet: attention is {weights.shape} but must be ({len(words)}, S), "
            "a row for each word and S a square number"
        )
    lit = [_in_the_light(image, row / row.max() if relative else row) for row in weights]
    return image_grid([image, *lit], ["", *words], _COLUMNS, title=" ".join(words))


def _in_the_light(image: np.ndarray, weights: NDArray[np.float32]) -> np.ndarray:
    side = isqrt(len(weights))
    grid = Image.fromarray(weights.reshape(side, side))
    height, width = image.shape[:2]
    light = np.asarray(grid.resize((width, height), Image.Resampling.BILINEAR))[:, :, None]
    return (image * (_DARKEST + (1 - _DARKEST) * light)).astype(np.uint8)
