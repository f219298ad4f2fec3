import numpy as np
import pytest
from PIL import Image

from minicap.data import Preprocess, extract_features
from minicap.data.crops import RandomCrop

PREPROCESS = Preprocess(name="tiny", size=4, resize_to=6, interpolation="nearest")


@pytest.fixture
def photo(tmp_path):
    """6 x 9 pixels; red counts the rows, green the columns."""
    rows, columns = np.mgrid[:6, :9]
    pixels = np.stack([rows, columns, 0 * rows], axis=2).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_part_is_cut_where_it_is_asked_for(photo):
    image = PREPROCESS.load(photo)
    first = PREPROCESS.of_part(image, 0, 0)
    assert (first[0, :, 0].tolist(), first[1, 0].tolist()) == ([0, 1, 2, 3], [0, 1, 2, 3])
    last = PREPROCESS.of_part(image, 1, 1, mirrored=True)
    assert (last[0, :, 0].tolist(), last[1, 0].tolist()) == ([2, 3, 4, 5], [8, 7, 6, 5])


def test_a_squashed_photo_is_squashed_first(photo):
    squash = Preprocess(name="tiny", size=6, resize_to=6, fit="squash", interpolation="nearest")
    image = squash.load(photo)
    np.testing.assert_array_equal(squash.of_part(image, 0.4, 0.9), squash.of_photo(image))


def test_every_place_and_both_sides_come_up(photo):
    seen = set()
    for number in range(300):
        (top, *_), (first, second, *_) = (RandomCrop(PREPROCESS, number).read(photo)[c] for c in (0, 1))
        seen.add((top[0], min(first[0], first[3]), first[0] < first[1]))
        assert second.tolist() == first.tolist()
    assert seen == {(y, x, ahead) for y in range(3) for x in range(6) for ahead in (True, False)}


def test_a_crop_is_always_the_same_and_another_photo_has_another(photo, tmp_path):
    (tmp_path / "moved").mkdir()
    moved = photo.rename(tmp_path / "moved" / photo.name)
    again = [RandomCrop(PREPROCESS, 2).read(moved).tolist() for _ in range(2)]
    assert again[0] == again[1]
    crops = set()
    for number in range(20):
        other = moved.rename(moved.with_name(f"{number}.png"))
        crops.add(RandomCrop(PREPROCESS, 2).read(other).tobytes())
        moved = other
    assert len(crops) > 5


def test_the_features_of_each_crop_are_kept_apart(photo, tmp_path):
    def features(preprocess):
        return extract_features(
            [photo], lambda batch: batch.mean(axis=(2, 3)), preprocess, "means", tmp_path / "cache"
        ).tolist()

    kept = [features(RandomCrop(PREPROCESS, number)) for number in range(4)]
    assert len({str(row) for row in (*kept, features(PREPROCESS))}) > 2
    assert kept == [features(RandomCrop(PREPROCESS, number)) for number in range(4)]
