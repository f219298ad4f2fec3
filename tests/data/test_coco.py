import json
from pathlib import Path

import pytest
from PIL import Image

from minicap.data import load_coco, open_dataset
from minicap.errors import FormatError, InputError


def save(*paths: Path) -> None:
    for number, path in enumerate(paths):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), (10 * number, 0, 0)).save(path)


def document(*numbers: int, **other: object) -> dict:
    """Two captions for every image."""
    return {
        "images": [{"id": n, "file_name": f"{n:012}.jpg", "width": 4} for n in numbers],
        "annotations": [
            {"id": 10 * n + i, "image_id": n, "caption": f"{article} photo {n}."}
            for n in numbers
            for i, article in enumerate(("A", "The"))
        ],
    } | other


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@pytest.fixture
def coco(tmp_path):
    """The folders as they are unpacked."""
    write(tmp_path / "annotations" / "captions_train2017.json", document(9, 25))
    write(tmp_path / "annotations" / "captions_val2017.json", document(139))
    write(tmp_path / "annotations" / "instances_val2017.json", {"images": [], "annotations": []})
    save(tmp_path / "train2017" / "000000000009.jpg", tmp_path / "train2017" / "000000000025.jpg")
    save(tmp_path / "val2017" / "000000000139.jpg")
    return tmp_path


def test_the_published_folders_load_as_they_are(coco):
    dataset = load_coco(coco)
    assert dataset == open_dataset(coco)
    assert dataset.name == coco.name
    assert dataset.counts() == {"train": 2, "val": 1, "test": 0}
    last = dataset.images[2]
    assert last.path == coco / "val2017" / "000000000139.jpg"
    assert (last.image_id, last.split, last.extra) == (139, "val", {"width": 4})
    assert last.captions == (("a", "photo", "139"), ("the", "photo", "139"))
    assert last.raw == ("A photo 139.", "The photo 139.")


@pytest.mark.parametrize("photos", ["val2017", "images/val2017", "images", ""])
@pytest.mark.parametrize("annotations", ["annotations", ""])
def test_one_file_is_enough_and_photos_lie_where_people_put_them(tmp_path, photos, annotations):
    source = write(tmp_path / annotations / "captions_val2017.json", document(1))
    save(tmp_path / photos / "000000000001.jpg")
    for path in (source, source.parent, tmp_path):
        assert open_dataset(path).images[0].path == tmp_path / photos / "000000000001.jpg"


def test_a_file_that_names_no_split_is_dealt_out(tmp_path):
    write(tmp_path / "captions_mine.json", document(*range(20)))
    save(*(tmp_path / f"{n:012}.jpg" for n in range(20)))
    assert load_coco(tmp_path).counts() == {"train": 16, "val": 2, "test": 2}


def test_photos_and_captions_without_words_are_left_out(tmp_path):
    content = document(1, 2, 3)
    content["annotations"] = [{"image_id": 1, "caption": "..."}, {"image_id": 1, "caption": "A dog"}]
    content["annotations"] += [{"image_id": 2, "caption": "\n"}]
    write(tmp_path / "captions_val.json", content)
    save(tmp_path / "000000000001.jpg")
    [image] = load_coco(tmp_path).images
    assert image.captions == (("a", "dog"),)


def changed(change) -> dict:
    content = document(1)
    change(content)
    return content


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([], "not in COCO's layout: a JSON object is needed"),
        ({"images": []}, 'the key "annotations" is missing'),
        ({"annotations": []}, 'the key "images" is missing'),
        ({"annotations": {}, "images": []}, '"annotations" must be a list'),
        ({"annotations": [5], "images": []}, r"annotations\[0\]: an object is needed"),
        ({"annotations": [], "images": [5]}, r"images\[0\]: an object is needed"),
        ({"annotations": [], "images": []}, "holds no captions"),
        (changed(lambda c: c["annotations"][1].pop("caption")), r'annotations\[1\]: the key "caption"'),
        (changed(lambda c: c["annotations"][0].update(caption=3)), '"caption" must be a text'),
        (changed(lambda c: c["annotations"][0].update(image_id="1")), '"image_id" must be an integer'),
        (
            changed(lambda c: c["annotations"][0].update(image_id=8)),
            "captions of image 8, which is not among",
        ),
        (changed(lambda c: c["images"][0].pop("id")), r'images\[0\]: the key "id" is missing'),
        (changed(lambda c: c["images"][0].update(file_name="../a.jpg")), "leads out of the folder"),
        (changed(lambda c: c["images"].append(c["images"][0])), None),
    ],
)
def test_another_content_is_refused(tmp_path, content, says):
    write(tmp_path / "captions_val.json", content)
    save(tmp_path / "000000000001.jpg")
    if says is None:  # said twice, an image keeps its captions once
        assert len(load_coco(tmp_path)) == 1
        return
    with pytest.raises(FormatError, match=says):
        load_coco(tmp_path)


def test_damaged_and_missing_files_are_named(coco):
    (coco / "val2017" / "000000000139.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of 1 photos are missing in .*val2017: 000000000139\.jpg"):
        load_coco(coco)
    (coco / "annotations" / "captions_val2017.json").write_text('{"images": [', encoding="utf-8")
    with pytest.raises(FormatError, match=r"captions_val2017\.json: not JSON"):
        load_coco(coco)
    with pytest.raises(InputError, match=r"there is no captions_\*\.json in this folder"):
        load_coco(coco / "val2017")


def test_two_years_of_one_photo_are_told_apart_by_the_user(coco):
    write(coco / "annotations" / "captions_val2014.json", document(9))
    save(coco / "val2014" / "000000000009.jpg")
    with pytest.raises(InputError, match="the same photos are in several of captions_train2017"):
        load_coco(coco)
    assert len(load_coco(coco / "annotations" / "captions_val2014.json")) == 1


def test_the_research_copy_loads(shared_data):
    dataset = load_coco(shared_data / "coco2017_mini")
    assert len(dataset) == 507
    assert sum(len(image.captions) for image in dataset.images) == 2536
