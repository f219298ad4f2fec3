import json
import logging

import pytest
from training.tiny import make_dataset

from minicap.data import open_dataset
from minicap.errors import FormatError, InputError


def test_every_layout_is_opened(tmp_path):
    karpathy = make_dataset(tmp_path / "karpathy")
    assert open_dataset("sample").name == "sample"
    assert open_dataset(karpathy) == open_dataset(str(karpathy / "dataset_tiny.json"))
    plain = make_dataset(tmp_path / "plain")
    (plain / "dataset_tiny.json").unlink()
    (plain / "captions.csv").write_text("photo,caption\n1.jpg,a square\n", encoding="utf-8")
    assert open_dataset(plain) == open_dataset(plain / "captions.csv")
    assert len(open_dataset(plain)) == 1


def test_what_is_not_there_is_refused(tmp_path):
    for name in ("nowhere", "nowhere.json", "a" * 5000):
        with pytest.raises(InputError, match="there is no such file or folder"):
            open_dataset(tmp_path / name)


@pytest.mark.parametrize("filename", ["../photo.jpg", "/nowhere/photo.jpg", "a/../../photo.jpg"])
def test_a_photo_outside_the_folder_needs_permission(tmp_path, filename):
    folder = make_dataset(tmp_path / "data")
    root = json.loads((folder / "dataset_tiny.json").read_text(encoding="utf-8"))
    root["images"][0]["filename"] = filename
    (folder / "dataset_tiny.json").write_text(json.dumps(root), encoding="utf-8")
    with pytest.raises(FormatError, match="leads out of the folder"):
        open_dataset(folder)
    with pytest.raises(InputError, match="1 of 6 photos are missing"):
        open_dataset(folder, outside=True)


def test_a_held_out_photo_that_is_in_training_too_is_named(tmp_path, caplog):
    folder = make_dataset(tmp_path / "data")
    with caplog.at_level(logging.WARNING):
        open_dataset(folder)
        assert not caplog.records
        photos = folder / "images"
        (photos / "5.jpg").write_bytes((photos / "2.jpg").read_bytes())
        open_dataset(folder)
    [message] = caplog.messages
    assert "1 held-out photos are also in training" in message
    assert "5.jpg is 2.jpg" in message
