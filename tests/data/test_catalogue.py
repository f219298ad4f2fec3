import numpy as np
import pytest
from classification.sets import write_digits, write_photo_folders

from minicap.data import LABELLED, load_labelled
from minicap.errors import InputError


def test_a_set_without_validation_photos_has_training_and_test_photos(tmp_path):
    splits = load_labelled("mnist", write_digits(tmp_path / "digits", train=30, test=10))
    assert {name: split.x.shape for name, split in splits.items()} == {
        "train": (30, 1, 8, 8),
        "test": (10, 1, 8, 8),
    }
    clothes = load_labelled("fashion-mnist", tmp_path / "digits")
    assert clothes["train"].classes[9] == "ankle boot"


def test_folders_of_classes_alone_are_a_training_set(tmp_path):
    splits = load_labelled("folder", write_photo_folders(tmp_path / "photos", count=2), size=12)
    assert set(splits) == {"train"}
    assert splits["train"].x.shape == (6, 3, 12, 12)
    assert splits["train"].classes == ("blue", "green", "red")


def test_folders_of_splits_keep_the_classes_of_the_training_set(tmp_path):
    folder = write_photo_folders(tmp_path / "photos", ("train", "test"), count=2)
    (folder / "test" / ".hidden").mkdir()
    splits = load_labelled("folder", folder, size=12)
    assert set(splits) == {"train", "test"}
    assert splits["test"].classes == splits["train"].classes
    np.testing.assert_array_equal(splits["test"].y, [0, 0, 1, 1, 2, 2])


def test_a_class_that_nobody_is_taught_is_refused(tmp_path):
    folder = write_photo_folders(tmp_path / "photos", ("train", "test"), count=2)
    (folder / "test" / "yellow").mkdir()
    with pytest.raises(InputError, match=r"test has a class 'yellow', which .*train has not"):
        load_labelled("folder", folder, size=12)


def test_the_first_classes_alone_can_be_taken(tmp_path):
    folder = write_photo_folders(tmp_path / "photos", ("train", "test"), count=2)
    splits = load_labelled("folder", folder, size=12, classes=2)
    assert {name: split.classes for name, split in splits.items()} == {
        "train": ("blue", "green"),
        "test": ("blue", "green"),
    }
    assert splits["test"].y.tolist() == [0, 0, 1, 1]
    digits = load_labelled("mnist", write_digits(tmp_path / "digits", train=30, test=10), classes=3)
    assert digits["train"].classes == ("0", "1", "2")
    assert set(digits["train"].y) == {0, 1, 2}
    assert len(digits["train"].x) == len(digits["train"].y)


def test_more_classes_than_there_are_are_refused(tmp_path):
    folder = write_photo_folders(tmp_path / "photos", count=2)
    with pytest.raises(InputError, match=r"classes is 4, but .*photos has 3 of them"):
        load_labelled("folder", folder, classes=4)
    digits = write_digits(tmp_path / "digits")
    with pytest.raises(InputError, match=r"classes is 11, but .*digits has 10 of them"):
        load_labelled("mnist", digits, classes=11)


@pytest.mark.parametrize("name", LABELLED)
def test_a_missing_folder_is_named_with_what_is_expected_in_it(name, tmp_path):
    with pytest.raises(InputError) as caught:
        load_labelled(name, tmp_path / "no")
    assert f"{tmp_path / 'no'}: there is no such folder; {name} is expected there as" in str(caught.value)
    assert LABELLED[name].layout in str(caught.value)


def test_an_unknown_name_is_told_with_the_nearest_known_one(tmp_path):
    with pytest.raises(InputError, match=r"unknown data set 'minst' \(did you mean \"mnist\"\?\)"):
        load_labelled("minst", tmp_path)
