import json
from pathlib import Path

import pytest
from PIL import Image

from minicap.data import flickr, load_flickr, open_dataset
from minicap.errors import FormatError, InputError

ANIMALS = {"a": "dog", "b": "cat", "c": "cow"}
LINES = [
    f"{name}.jpg#{n}\tA {animal} runs on the grass ." for name, animal in ANIMALS.items() for n in (0, 1)
]


def save(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new("RGB", (4, 3), (number, 0, 0)).save(folder / name)


def write(folder: Path, lines=LINES, **lists: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Flickr8k.token.txt").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")
    for name, photos in lists.items():
        (folder / f"Flickr_8k.{name}Images.txt").write_text(photos, encoding="utf-8", newline="")
    return folder


SPLITS = {"train": "a.jpg\n", "dev": "b.jpg\r\n", "test": "c.jpg"}


@pytest.fixture
def published(tmp_path):
    """Flickr8k as its two archives are unpacked side by side."""
    write(tmp_path / "Flickr8k_text", **SPLITS)
    (tmp_path / "Flickr8k_text" / "Flickr8k.lemma.token.txt").write_text("a.jpg#0\tdog run", encoding="utf-8")
    save(tmp_path / "Flicker8k_Dataset", "a.jpg", "b.jpg", "c.jpg")
    return tmp_path


def test_the_published_folders_load_as_they_are(published):
    dataset = open_dataset(published)
    assert (
        dataset == load_flickr(published) == open_dataset(published / "Flickr8k_text" / "Flickr8k.token.txt")
    )
    assert dataset.name == "Flickr8k"
    assert [(image.path.name, image.split) for image in dataset.images] == [
        ("a.jpg", "train"),
        ("b.jpg", "val"),
        ("c.jpg", "test"),
    ]
    assert dataset.images[0].captions == (("a", "dog", "runs", "on", "the", "grass"),) * 2
    assert dataset.images[0].image_id == "a.jpg"


@pytest.mark.parametrize("photos", ["images", "Flickr8k_Dataset", "."])
def test_photos_may_lie_beside_the_file(tmp_path, photos):
    write(tmp_path, **SPLITS)
    save(tmp_path / photos, "a.jpg", "b.jpg", "c.jpg")
    assert load_flickr(tmp_path).counts() == {"train": 1, "val": 1, "test": 1}


def test_photos_in_no_list_are_left_out_as_is_the_one_with_a_broken_name(published):
    source = published / "Flickr8k_text" / "Flickr8k.token.txt"
    more = "2258277193_586949ec62.jpg.1#0\tA man .\nd.jpg#0\tA house .\n"
    source.write_text(source.read_text(encoding="utf-8") + more, encoding="utf-8")
    assert len(load_flickr(published)) == 3


def test_flickr30k_comes_without_lists_and_is_dealt_out(tmp_path):
    names = [f"{number}.jpg" for number in range(10)]
    tokens = tmp_path / "results_20130124.token"
    tokens.write_text("".join(f"{name}#0\tA man walks .\n" for name in names), encoding="utf-8")
    save(tmp_path / "flickr30k-images", *names)
    dataset = open_dataset(tmp_path)
    assert dataset.name == "results_20130124"
    assert dataset.counts() == {"train": 8, "val": 1, "test": 1}


def test_captions_without_words_are_left_out(tmp_path):
    write(tmp_path, ["a.jpg#0\t.", "a.jpg#1\tA dog", "b.jpg#0\t"])
    save(tmp_path, "a.jpg")
    [image] = load_flickr(tmp_path).images
    assert image.raw == ("A dog",)


@pytest.mark.parametrize(
    "line", ["a.jpg A dog", "a.jpg#0 A dog", "a.jpg\tA dog", "#0\tA dog", "a.jpg#x\tA dog", "\tA dog"]
)
def test_a_line_laid_out_otherwise_is_named(tmp_path, line):
    write(tmp_path, [LINES[0], line])
    with pytest.raises(FormatError, match=r"Flickr8k\.token\.txt, line 2: needs photo\.jpg#0, a tab"):
        load_flickr(tmp_path)


@pytest.mark.parametrize(
    ("lists", "error", "says"),
    [
        ({"train": "a.jpg"}, InputError, r"one file \*\.devImages\.txt is needed, found 0"),
        ({**SPLITS, "dev": "a.jpg"}, FormatError, r"devImages\.txt: a\.jpg is in the split 'train' too"),
        ({"train": "", "dev": "", "test": ""}, None, ""),
        (
            {"train": "x.jpg", "dev": "y.jpg", "test": "z.jpg"},
            FormatError,
            "no captions of photos in its splits",
        ),
    ],
)
def test_lists_that_do_not_fit_are_named(tmp_path, lists, error, says):
    write(tmp_path, **lists)
    save(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    if error is None:  # lists of nothing say nothing
        assert load_flickr(tmp_path).counts()["train"] == 3
        return
    with pytest.raises(error, match=says):
        load_flickr(tmp_path)


def test_missing_photos_files_and_names_that_lead_out_are_told(tmp_path):
    with pytest.raises(InputError, match="there is no token file"):
        load_flickr(tmp_path)
    write(tmp_path)
    with pytest.raises(InputError, match=r"3 of 3 photos are missing in .*: a\.jpg, b\.jpg, c\.jpg"):
        load_flickr(tmp_path)
    write(tmp_path, ["../a.jpg#0\tA dog"])
    with pytest.raises(FormatError, match="leads out of the folder"):
        load_flickr(tmp_path)
    (tmp_path / "other.token").touch()
    with pytest.raises(InputError, match="holds 2 token files; name the one to read"):
        load_flickr(tmp_path)
    (tmp_path / "other.token").write_bytes(b"\xff\xff\xff")
    with pytest.raises(FormatError, match=r"other\.token: not text"):
        load_flickr(tmp_path / "other.token")


def test_all_of_flickr8k_has_the_splits_that_karpathy_has(shared_data, monkeypatch):
    folder = shared_data / "flickr8k"
    monkeypatch.setattr(flickr, "refuse_missing", lambda *_: None)  # its photos could not be had
    dataset = load_flickr(folder)
    with (folder / "dataset_flickr8k.json").open(encoding="utf-8") as file:
        splits = {image["filename"]: image["split"] for image in json.load(file)["images"]}
    assert {image.path.name: image.split for image in dataset.images} == splits
    assert {len(image.captions) for image in dataset.images} == {5}
