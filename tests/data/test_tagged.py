import json

import pytest
from PIL import Image

from minicap.data import load_coco_instances, open_tagged
from minicap.errors import FormatError, InputError


def write_photos(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (4, 4)).save(folder / name)


def coco(**changes):
    return {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "annotations": [
            {"image_id": 1, "category_id": 7},
            {"image_id": 1, "category_id": 3},
            {"image_id": 1, "category_id": 7},
        ],
        "categories": [{"id": 3, "name": "dog"}, {"id": 7, "name": "fire hydrant"}, {"id": 9, "name": "tie"}],
    } | changes


def write_coco(folder, name="instances_val2017.json", **changes):
    write_photos(folder / "images", "a.png", "b.png")
    (folder / "annotations").mkdir(exist_ok=True)
    file = folder / "annotations" / name
    file.write_text(json.dumps(coco(**changes)), encoding="utf-8")
    return file


def test_the_sample_has_labels():
    sample = open_tagged("sample")
    assert sample.counts() == {"train": 60, "val": 0, "test": 16}
    assert len(sample.labels) == 80
    assert {label for photo in sample.photos for label in photo.labels} <= set(sample.labels)
    assert len(sample.split("all")) == 76


def test_instances_of_coco_become_names_each_once_in_the_split_of_the_file(tmp_path):
    file = write_coco(tmp_path)
    for found in (open_tagged(tmp_path), open_tagged(file), load_coco_instances(file)):
        assert [(p.path.name, p.split, p.labels) for p in found.photos] == [
            ("a.png", "val", ("fire hydrant", "dog")),
            ("b.png", "val", ()),
        ]
        assert found.labels == ("dog", "fire hydrant", "tie")
        assert found.name == tmp_path.name


def test_photos_may_lie_in_a_folder_named_after_the_file(tmp_path):
    file = write_coco(tmp_path)
    (tmp_path / "images").rename(tmp_path / "val2017")
    assert load_coco_instances(file).photos[0].path == tmp_path / "val2017" / "a.png"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"categories": [{"id": 3, "name": "dog"}, {"id": 3, "name": "cat"}]}, "same id or name"),
        ({"annotations": [{"image_id": 5, "category_id": 3}]}, "image 5 or category 3 is not listed"),
        ({"annotations": [7]}, r"annotations\[0\]: an object is needed"),
        ({"images": [{"id": 1, "file_name": "../a.png"}]}, "leads out of the folder"),
        ({"images": [], "annotations": []}, "lists no photos"),
        ({"annotations": []}, "no photo has any label"),
    ],
)
def test_instances_laid_out_otherwise_are_refused(changes, message, tmp_path):
    with pytest.raises(FormatError, match=message):
        load_coco_instances(write_coco(tmp_path, **changes))


def test_a_missing_photo_is_named(tmp_path):
    file = write_coco(tmp_path)
    (tmp_path / "images" / "b.png").unlink()
    with pytest.raises(InputError, match=r"1 of 2 photos are missing in .*: b\.png"):
        load_coco_instances(file)


def test_a_table_separates_labels_by_semicolons(tmp_path):
    write_photos(tmp_path, "a.png", "b.png", "c.png")
    table = tmp_path / "labels.csv"
    table.write_text("photo,labels,split\na.png,dog; sofa;dog,train\nb.png,,test\nc.png,tie,val\n", "utf-8")
    for found in (open_tagged(tmp_path), open_tagged(table)):
        assert [(p.split, p.labels) for p in found.photos] == [
            ("train", ("dog", "sofa")),
            ("test", ()),
            ("val", ("tie",)),
        ]
        assert found.labels == ("dog", "sofa", "tie")


def test_a_photo_with_two_rows_and_a_folder_without_labels_are_refused(tmp_path):
    with pytest.raises(InputError, match="a folder needs a CSV file with the columns photo and labels"):
        open_tagged(tmp_path)
    write_photos(tmp_path, "a.png")
    (tmp_path / "labels.csv").write_text("photo,labels\na.png,dog\na.png,cat\n", "utf-8")
    with pytest.raises(FormatError, match=r"a\.png has several rows"):
        open_tagged(tmp_path)


def test_captions_without_categories_are_refused_and_ids_without_names_are_names(tmp_path):
    write_photos(tmp_path, "a.png")
    photo = {"filename": "a.png", "imgid": 0, "split": "train", "sentences": [{"tokens": ["a", "dog"]}]}
    file = tmp_path / "dataset_toy.json"
    file.write_text(json.dumps({"images": [photo]}), "utf-8")
    with pytest.raises(FormatError, match='no photo has "category_ids"'):
        open_tagged(tmp_path)
    file.write_text(json.dumps({"images": [photo | {"category_ids": [18, 3]}]}), "utf-8")
    assert open_tagged(tmp_path).photos[0].labels == ("18", "3")


def test_a_split_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="the split 'val' has no photos"):
        open_tagged("sample").split("val")
    with pytest.raises(InputError, match="there is no split 'dev'"):
        open_tagged("sample").split("dev")
