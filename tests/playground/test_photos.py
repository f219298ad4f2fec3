"""Captions of pixels, as a canvas hands them over."""

import numpy as np
import pytest

from minicap.captioning import Captioner
from minicap.data import load_image, open_dataset
from minicap.errors import InputError
from minicap.playground.photos import captions, features


def test_pixels_get_the_caption_that_the_file_gets():
    photo = open_dataset("sample").split("test")[0].path
    shipped = Captioner.shipped()
    pixels = load_image(photo)
    height, width, _ = pixels.shape
    rgba = np.dstack([pixels, np.full((height, width), 255, np.uint8)])
    seen = features(memoryview(rgba.tobytes()), width, height)
    found = captions(seen)
    assert len(found) == 3
    assert found[0]["caption"] == shipped.captions(shipped.features(photo))[0]
    assert 1 > found[0]["probability"] > 0


@pytest.mark.parametrize(("width", "height"), [(2, 3), (0, 0), (5000, 1)])
def test_bytes_that_are_no_such_photo_are_refused(width, height):
    with pytest.raises(InputError, match="pixels"):
        features(bytes(16), width, height)
