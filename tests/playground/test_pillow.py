"""The stand-in for Pillow against Pillow itself."""

import sys

import numpy as np
import PIL.Image
import pytest

from minicap.errors import InputError
from minicap.playground import pillow


@pytest.mark.parametrize("name", ["BILINEAR", "BICUBIC"])
@pytest.mark.parametrize("size", [(20, 30), (61, 45), (90, 70), (1, 1)])
def test_resizing_is_pillows_to_a_level(name, size, rng):
    photo = rng.integers(0, 256, (45, 61, 3)).astype(np.uint8)
    theirs = PIL.Image.fromarray(photo).resize(size, PIL.Image.Resampling[name])
    ours = pillow.Image(photo).resize(size, pillow.Resampling[name])
    assert np.abs(np.asarray(ours).astype(int) - np.asarray(theirs)).max() <= 1


def test_a_plain_colour_stays_what_it_is():
    photo = np.full((7, 9, 3), 255, dtype=np.uint8)
    assert (np.asarray(pillow.Image(photo).resize((4, 20), pillow.Resampling.BICUBIC)) == 255).all()


def test_where_pillow_is_installed_it_stays():
    pillow.install()
    assert sys.modules["PIL"] is PIL


def test_without_pillow_its_names_are_answered_and_files_refused(monkeypatch):
    for name in ("PIL", "PIL.Image", "PIL.ImageOps"):
        monkeypatch.setitem(sys.modules, name, None)
    pillow.install()
    from PIL import Image, ImageOps, UnidentifiedImageError

    assert ImageOps
    assert issubclass(UnidentifiedImageError, OSError)
    resized = Image.fromarray(np.zeros((4, 4, 3), np.uint8)).resize((2, 2), Image.Resampling["BILINEAR"])
    assert np.asarray(resized, dtype=np.float32).shape == (2, 2, 3)
    with pytest.raises(InputError, match="cannot be read from files here"):
        Image.open("photo.jpg")
