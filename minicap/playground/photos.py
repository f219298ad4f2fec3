"""Captions in the browser: the encoder in the package looks at a photo, the captioner chooses words."""

from functools import cache
from math import exp
from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.captioning import Captioner
from minicap.errors import InputError

_LEAST, _MOST = 1, 1024  # pixels of a side


@cache
def captioner() -> Captioner:
    return Captioner.shipped()


def features(pixels: Any, width: int, height: int) -> Array:
    """What the encoder sees, (1, F).  pixels: a canvas' bytes, RGBA row by row, from above.

    Raises InputError when they are not as many as the sizes say, or the photo is too large.
    """
    if not all(_LEAST <= side <= _MOST for side in (width, height)):
        raise InputError(f"the photo is {width} x {height} pixels; each side must be {_LEAST} to {_MOST}")
    rgba = np.frombuffer(pixels, dtype=np.uint8)
    if rgba.size != 4 * width * height:
        raise InputError(f"{rgba.size} bytes for {width} x {height} pixels, but each has 4")
    model = captioner()
    photo = model.encoder.preprocess.of_photo(rgba.reshape(height, width, 4)[:, :, :3])
    return model.encoder.encode(photo[None], model.model.reads)


def captions(seen: Array, beam: int = 3) -> list[dict[str, Any]]:
    """Captions of what was seen (1, F), the likeliest first, with their probabilities."""
    found = captioner().decode(seen, beam=beam)[0]
    return [{"caption": captioner().text(each), "probability": exp(each.log_prob)} for each in found]
