"""Captioned photos in plain folders."""

from pathlib import Path

import pytest
from PIL import Image

from minicap.data.folder import load_folder
from minicap.errors import FormatError, InputError


def photos(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), "red").save(folder / name)


def table(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    (folder / "captions.csv").write_text(text, encoding=encoding, newline="")
    return folder


def test_a_csv_file_has_a_row_for_each_caption(tmp_path):
    photos(tmp_path, "a.jpg", "b.jpg")
    table(tmp_path, 'photo,caption\na.jpg,A dog runs.\nb.jpg,"A cat, asleep."\na.jpg,It\'s a dog\n')
    dataset = load_folder(tmp_path)
    first, second = dataset.images
    assert dataset.name == tmp_path.name
    assert first.path == tmp_path / "a.jpg"
    assert first.captions == (("a", "dog", "runs"), ("it's", "a", "dog"))
    assert first.raw == ("A dog runs.", "It's a dog")
    assert second.captions == (("a", "cat", "asleep"),)
    assert [image.image_id for image in dataset.images] == [0, 1]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_what_spreadsheets_write_is_read(tmp_path, separator, encoding):
    photos(tmp_path, "a.jpg")
    table(tmp_path, f"Photo{separator}Caption\r\na.jpg{separator}Zwei Möwen\r\n", encoding)
    assert load_folder(tmp_path).images[0].captions == (("zwei", "möwen"),)


def test_a_caption_in_quotes_may_hold_any_kind_of_line_end(tmp_path):
    photos(tmp_path, "a.jpg")
    (tmp_path / "captions.csv").write_bytes('photo,caption\r\na.jpg,"a\u2028dog\x0bor\r\ncat"\r\n'.encode())
    assert load_folder(tmp_path).images[0].raw == ("a\u2028dog\x0bor\r\ncat",)


def test_splits_may_be_given(tmp_path):
    photos(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    table(tmp_path, "photo,caption,split\na.jpg,a dog,train\nb.jpg,a cat,val\nc.jpg,a cow,test\n")
    assert load_folder(tmp_path).counts() == {"train": 1, "val": 1, "test": 1}


def test_a_file_and_its_folder_load_the_same_and_photos_may_lie_in_images(tmp_path):
    photos(tmp_path, "images/a.jpg")
    table(tmp_path, "photo,caption\na.jpg,a dog\n")
    assert load_folder(tmp_path) == load_folder(tmp_path / "captions.csv")
    assert load_folder(tmp_path).images[0].path == tmp_path / "images" / "a.jpg"


@pytest.mark.parametrize("name", ["image", "Filename", "image_id", "ImageID"])
def test_the_column_of_photos_goes_by_other_names_too(tmp_path, name):
    photos(tmp_path, "a.jpg")
    table(tmp_path, f"number,{name},caption\n1,a.jpg,a dog\n")
    assert load_folder(tmp_path).images[0].raw == ("a dog",)


def test_a_table_without_quoting_is_read_when_asked_for(tmp_path):
    photos(tmp_path, "1.jpg", "2.jpg", "3.JPEG")
    text = 'ImageID,Labels,Caption\r\n1.jpg,1 19,A "stop" sign, in the "street\r\nof a town".\r\n'
    table(tmp_path, text + '2.jpg,3,"A cat"\r\n3.JPEG,,It\'s 4.jpg, a dog\r\n')
    dataset = load_folder(tmp_path, quoted=False)
    assert [image.raw[0] for image in dataset.images] == [
        'A "stop" sign, in the "street\r\nof a town".',
        '"A cat"',
        "It's 4.jpg, a dog",
    ]
    assert dataset.images[1].captions == (("a", "cat"),)
    with pytest.raises(FormatError, match=r"where quotes are part of the captions.*quoted=False"):
        load_folder(table(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("caption,photo\na dog,1.jpg\n", "the photo must be the first column, the caption the last"),
        ("photo,labels,caption\n1.jpg,5\n", "line 2: a photo and a caption"),
        ('photo,caption\n1.jpg,a "dog\n\n1.jpg,"\n', "line 4: a photo and a caption"),
    ],
)
def test_a_table_without_quoting_that_is_laid_out_otherwise_is_refused(tmp_path, text, says):
    photos(tmp_path, "1.jpg")
    with pytest.raises(FormatError, match=says):
        load_folder(table(tmp_path, text), quoted=False)


def test_a_text_file_beside_each_photo_has_a_caption_on_a_line(tmp_path):
    photos(tmp_path, "a.jpg", "b.png", "without.jpg")
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfA dog.\r\n\r\nA brown dog.\r\n")
    (tmp_path / "b.txt").write_text("A cat", encoding="utf-8")
    (tmp_path / "notes.txt").write_text("of mine", encoding="utf-8")
    images = load_folder(tmp_path).images
    assert [image.path.name for image in images] == ["a.jpg", "b.png"]
    assert images[0].captions == (("a", "dog"), ("a", "brown", "dog"))


def test_a_tenth_each_is_held_out_by_name_alone(tmp_path):
    names = [f"{number}.jpg" for number in range(30)]
    photos(tmp_path, *names)
    rows = [f"{name},a dog" for name in names]
    found = {}
    for turn in (rows, rows[::-1]):
        dataset = load_folder(table(tmp_path, "\n".join(["photo,caption", *turn])))
        assert dataset.counts() == {"train": 24, "val": 3, "test": 3}
        found[turn[0]] = {image.path.name: image.split for image in dataset.images}
    first, second = found.values()
    assert first == second


def test_of_fewer_than_ten_photos_all_are_for_training(tmp_path):
    photos(tmp_path, "a.jpg")
    assert load_folder(table(tmp_path, "photo,caption\na.jpg,a dog")).counts()["train"] == 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.jpg,a dog\n", "the first line must name the columns photo and caption"),
        ("photo,caption\na.jpg,...\n", "line 2: a photo and a caption with at least one word"),
        ("photo,caption\na.jpg\n", "line 2: a photo and a caption"),
        ("photo,caption\na.jpg,a dog, asleep\n", "line 2: more cells than columns; .*',' in it needs quotes"),
        ("photo,caption,split\na.jpg,a dog,dev\n", "unknown split 'dev'"),
        (
            "photo,caption,split\na.jpg,a dog,val\na.jpg,a dog,test\n",
            "in two splits, 'val' and 'test'",
        ),
        ("photo,caption,split\na.jpg,a dog,val\nb.jpg,a dog,\n", "b.jpg has no split, but others do"),
        ('photo,caption\na.jpg,"a "dog\n', "not CSV"),
        ("photo,caption\n../a.jpg,a dog\n", "leads out of the folder"),
        ("photo,caption\n/a.jpg,a dog\n", "leads out of the folder"),
    ],
)
def test_a_file_laid_out_otherwise_is_refused(tmp_path, text, says):
    photos(tmp_path, "a.jpg", "b.jpg")
    with pytest.raises(FormatError, match=says):
        load_folder(table(tmp_path, text))


def test_photos_elsewhere_are_read_when_that_is_allowed(tmp_path):
    photos(tmp_path, "a.jpg", "set/b.jpg")
    table(tmp_path / "set", "photo,caption\n../a.jpg,a dog\n")
    assert load_folder(tmp_path / "set", outside=True).images[0].path.is_file()


def test_what_is_missing_is_named(tmp_path):
    photos(tmp_path, "a.jpg")
    with pytest.raises(InputError, match="no captions were found"):
        load_folder(tmp_path)
    with pytest.raises(InputError, match=r"1 of 1 photos are missing in .*: c\.jpg$"):
        load_folder(table(tmp_path, "photo,caption\nc.jpg,a dog\n"))
    with pytest.raises(InputError, match="there is no such file or folder"):
        load_folder(tmp_path / ("a" * 5000))
    (tmp_path / "more.csv").touch()
    with pytest.raises(InputError, match="holds 2 CSV files"):
        load_folder(tmp_path)
