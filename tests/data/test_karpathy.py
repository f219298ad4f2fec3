import json
from pathlib import Path

import pytest
from PIL import Image

from minicap.data.karpathy import load_karpathy
from minicap.errors import FormatError, InputError


def sentence(text: str) -> dict:
    return {"tokens": text.lower().split(), "raw": text, "sentid": 0}


def entry(number: int, split: str, **other) -> dict:
    sentences = [sentence(f"Photo {number}"), sentence("A photo")]
    return {"filename": f"{number}.png", "imgid": number, "split": split, "sentences": sentences} | other


@pytest.fixture
def root() -> dict:
    splits = ["train", "restval", "val", "test", "train"]
    return {"dataset": "tiny", "images": [entry(number, split) for number, split in enumerate(splits)]}


def write(folder: Path, root: object, images: str = "images") -> Path:
    """A data set folder with a photo for every entry."""
    for record in root["images"] if isinstance(root, dict) and isinstance(root.get("images"), list) else []:
        if isinstance(record, dict) and isinstance(record.get("filename"), str):
            path = folder / images / str(record.get("filepath", "")) / record["filename"]
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (2, 2)).save(path)
    source = folder / "dataset_tiny.json"
    source.write_text(json.dumps(root), encoding="utf-8")
    return source


def test_a_folder_and_its_json_file_load_the_same(tmp_path, root):
    source = write(tmp_path, root)
    dataset = load_karpathy(tmp_path)
    assert dataset == load_karpathy(source) == load_karpathy(str(source))
    assert dataset.name == "tiny"
    assert len(dataset) == 5


def test_a_photo_has_its_path_number_split_and_captions(tmp_path, root):
    write(tmp_path, root)
    image = load_karpathy(tmp_path).images[2]
    assert image.path == tmp_path / "images" / "2.png"
    assert (image.image_id, image.split) == (2, "val")
    assert image.captions == (("photo", "2"), ("a", "photo"))
    assert image.raw == ("Photo 2", "A photo")


def test_restval_belongs_to_train(tmp_path, root):
    write(tmp_path, root)
    dataset = load_karpathy(tmp_path)
    assert [image.image_id for image in dataset.split("train")] == [0, 1, 4]
    assert dataset.counts() == {"train": 3, "val": 1, "test": 1}


def test_filepath_is_a_folder_below_the_images(tmp_path, root):
    root["images"][0]["filepath"] = "val2014"
    write(tmp_path, root)
    assert load_karpathy(tmp_path).images[0].path == tmp_path / "images" / "val2014" / "0.png"


def test_the_photos_may_lie_beside_the_json_file(tmp_path, root):
    write(tmp_path, root, images=".")
    assert load_karpathy(tmp_path).images[0].path == tmp_path / "0.png"


def test_the_photos_may_lie_elsewhere(tmp_path, root):
    write(tmp_path, root, images="elsewhere")
    assert load_karpathy(tmp_path, tmp_path / "elsewhere").images[0].path.is_file()


def test_other_keys_are_kept_as_extra(tmp_path, root):
    root["categories"] = [{"id": 1, "name": "person"}]
    root["images"][1]["category_ids"] = [1]
    write(tmp_path, root)
    dataset = load_karpathy(tmp_path)
    assert dataset.extra == {"categories": [{"id": 1, "name": "person"}]}
    assert dataset.images[1].extra == {"category_ids": [1]}
    assert dataset.images[0].extra == {}


def test_without_raw_text_the_tokens_are_joined(tmp_path, root):
    del root["images"][0]["sentences"][0]["raw"]
    write(tmp_path, root)
    assert load_karpathy(tmp_path).images[0].raw[0] == "photo 0"


def test_without_a_name_the_file_gives_it(tmp_path, root):
    del root["dataset"]
    write(tmp_path, root)
    assert load_karpathy(tmp_path).name == "tiny"


# Splits


def test_a_split_without_photos_is_refused_with_the_counts(tmp_path, root):
    root["images"] = [entry(0, "train"), entry(1, "test")]
    write(tmp_path, root)
    with pytest.raises(InputError, match=r"tiny: the split 'val' has no photos \(train 1, val 0, test 1\)"):
        load_karpathy(tmp_path).split("val")


def test_an_unknown_split_is_refused(tmp_path, root):
    write(tmp_path, root)
    with pytest.raises(InputError, match="no split 'dev'; the splits are train, val, test"):
        load_karpathy(tmp_path).split("dev")


# Bad input


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere"):
        load_karpathy(tmp_path / "nowhere")


def test_a_folder_without_a_data_set_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"dataset_\*\.json.*found none"):
        load_karpathy(tmp_path)


def test_a_folder_with_two_data_sets_is_refused(tmp_path, root):
    write(tmp_path, root).with_name("dataset_b.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=r"found dataset_b\.json, dataset_tiny\.json"):
        load_karpathy(tmp_path)


def test_a_missing_image_folder_is_named(tmp_path, root):
    write(tmp_path, root)
    with pytest.raises(InputError, match="photos_here"):
        load_karpathy(tmp_path, tmp_path / "photos_here")


def test_missing_photos_are_counted_and_the_first_named(tmp_path):
    root = {"images": [entry(number, "train") for number in range(10)]}
    write(tmp_path, root)
    for number in range(1, 8):
        (tmp_path / "images" / f"{number}.png").unlink()
    with pytest.raises(InputError, match=r"7 of 10 photos are missing.*: 1\.png, 2\.png, .*5\.png, \.\.\.$"):
        load_karpathy(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe\x00", b"photos", b"[" * 100_000])
def test_what_is_not_json_is_refused(tmp_path, content):
    (tmp_path / "dataset_a.json").write_bytes(content)
    with pytest.raises(FormatError, match=r"dataset_a\.json: not (JSON|text)"):
        load_karpathy(tmp_path)


@pytest.mark.parametrize(
    ("root", "says"),
    [
        ([], "not in Karpathy's layout"),
        ({"annotations": []}, "not in Karpathy's layout"),
        ({"images": {}}, '"images" must be a list, not an object'),
        ({"images": []}, '"images" is empty'),
        ({"images": [3]}, r"images\[0\]: an object is needed, not an integer"),
    ],
)
def test_json_of_another_layout_is_refused(tmp_path, root, says):
    write(tmp_path, root)
    with pytest.raises(FormatError, match=says):
        load_karpathy(tmp_path)


@pytest.mark.parametrize("key", ["filename", "imgid", "split", "sentences"])
def test_a_missing_key_is_named_with_its_place(tmp_path, root, key):
    del root["images"][3][key]
    write(tmp_path, root)
    with pytest.raises(FormatError, match=rf'images\[3\]: the key "{key}" is missing'):
        load_karpathy(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"filename": 3}, '"filename" must be a text, not an integer'),
        ({"filepath": None}, '"filepath" must be a text, not null'),
        ({"imgid": None}, '"imgid" must be an integer or a text, not null'),
        ({"imgid": True}, '"imgid" must be an integer or a text, not True'),
        ({"split": "dev"}, "unknown split 'dev'; known: train, restval, val, test"),
        ({"sentences": "a dog"}, '"sentences" must be a list, not a text'),
        ({"sentences": []}, "has no captions"),
        ({"sentences": ["a dog"]}, r"sentences\[0\]: an object is needed, not a text"),
        ({"sentences": [{"raw": "A dog"}]}, r'sentences\[0\]: the key "tokens" is missing'),
        ({"sentences": [{"tokens": []}]}, '"tokens" must be a list of at least one word'),
        ({"sentences": [{"tokens": ["a", 3]}]}, '"tokens" must be a list of at least one word'),
        ({"sentences": [{"tokens": ["a"], "raw": 3}]}, '"raw" must be a text'),
    ],
)
def test_a_value_of_the_wrong_kind_is_named_with_its_place(tmp_path, root, change, says):
    root["images"][3] |= change
    write(tmp_path, root)
    with pytest.raises(FormatError, match=says) as caught:
        load_karpathy(tmp_path)
    assert "images[3]" in str(caught.value)


def test_a_repeated_number_is_refused(tmp_path, root):
    root["images"][3]["imgid"] = 0
    write(tmp_path, root)
    with pytest.raises(FormatError, match='"imgid" 0 is given to 2 photos'):
        load_karpathy(tmp_path)


# Real data


@pytest.mark.parametrize(
    ("folder", "counts", "captions"),
    [
        ("coco8k", {"train": 6500, "val": 750, "test": 750}, 1),
        ("ucm", {"train": 1680, "val": 210, "test": 210}, 5),
    ],
)
def test_published_data_sets_load(shared_data, folder, counts, captions):
    dataset = load_karpathy(shared_data / folder)
    assert dataset.counts() == counts
    assert {len(image.captions) for image in dataset.images} == {captions}


def test_flickr8k_without_its_photos_says_so(shared_data):
    with pytest.raises(InputError, match="8000 of 8000 photos are missing"):
        load_karpathy(shared_data / "flickr8k")
