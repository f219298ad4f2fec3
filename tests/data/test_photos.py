import pytest
from PIL import Image

from minicap.data import find_photos
from minicap.errors import InputError


def test_a_folder_is_walked_in_sorted_order_and_files_are_taken_as_they_are(tmp_path):
    for name in ("b/2.jpg", "b/10.PNG", "a/deep/1.webp", "c.jpg", "notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = list(find_photos([tmp_path / "notes.txt", tmp_path, tmp_path / "none.jpg"]))
    names = ["notes.txt", "c.jpg", "a/deep/1.webp", "b/10.PNG", "b/2.jpg", "none.jpg"]
    assert found == [tmp_path / name for name in names]


def test_every_format_that_is_written_has_its_suffix(tmp_path):
    for suffix in ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "ppm"):
        Image.new("RGB", (2, 2)).save(tmp_path / f"a.{suffix}")
    assert len(list(find_photos([tmp_path]))) == 8


def test_a_folder_without_photos_is_refused(tmp_path):
    with pytest.raises(InputError, match="there are no photos in this folder"):
        list(find_photos([tmp_path]))


def test_one_path_is_not_taken_for_its_characters(tmp_path):
    Image.new("RGB", (32, 24)).save(tmp_path / "a.jpg")
    assert list(find_photos(str(tmp_path))) == list(find_photos(tmp_path)) == [tmp_path / "a.jpg"]
