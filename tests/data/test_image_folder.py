import numpy as np
import pytest
from PIL import Image

from minicap.data.image_folder import load_image_folder, load_tiny_imagenet
from minicap.errors import FormatError, InputError


def save(path, colour, size=(8, 8), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


@pytest.fixture
def pets(tmp_path):
    save(tmp_path / "dog" / "b.png", (0, 255, 0))
    save(tmp_path / "dog" / "deeper" / "a.png", (0, 0, 255))
    save(tmp_path / "cat" / "a.PNG", (255, 0, 0), size=(20, 10))
    (tmp_path / "cat" / "notes.txt").write_text("not a photo")
    return tmp_path


def test_a_class_is_a_folder_and_classes_are_sorted(pets):
    data = load_image_folder(pets, size=4)
    assert data.classes == ("cat", "dog")
    assert data.y.tolist() == [0, 1, 1]
    assert data.x.shape == (3, 3, 4, 4)
    assert data.x[:, :, 0, 0].tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]


def test_classes_can_be_chosen_in_an_order_of_ones_own(pets):
    data = load_image_folder(pets, size=4, classes=["dog", "cat"])
    assert data.y.tolist() == [0, 0, 1]


def test_a_photo_is_cropped_to_its_centre(tmp_path):
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, 2:6] = 255
    (tmp_path / "one").mkdir()
    Image.fromarray(pixels).save(tmp_path / "one" / "photo.png")
    assert (load_image_folder(tmp_path, size=4).x == 255).all()


def test_folders_without_classes_or_photos_are_named(tmp_path):
    with pytest.raises(InputError, match="there is no such folder"):
        load_image_folder(tmp_path / "none", size=4)
    with pytest.raises(InputError, match="has no subfolders; each class needs its own"):
        load_image_folder(tmp_path, size=4)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: there are no photos in this folder"):
        load_image_folder(tmp_path, size=4)


def test_hidden_folders_and_files_are_neither_classes_nor_photos(pets):
    for name in (".ipynb_checkpoints", "dog/.thumbnails"):
        save(pets / name / "a.png", (0, 0, 0))
    (pets / "cat" / "._a.png").write_bytes(b"what macOS leaves on disks of others")
    data = load_image_folder(pets, size=4)
    assert data.classes == ("cat", "dog")
    assert len(data) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size is 0 but must be at least 1"),
        ({"size": 4, "classes": ["dog", "cat", "dog"]}, "classes has 'dog' more than once"),
        ({"size": 4, "classes": []}, "classes is empty"),
        ({"size": 4, "classes": "dog"}, r"classes is 'dog'; give a list of names, \['dog'\]"),
    ],
)
def test_options_that_make_no_sense_are_refused(pets, options, message):
    with pytest.raises(InputError, match=f"load_image_folder: {message}"):
        load_image_folder(pets, **options)


@pytest.fixture
def tiny(tmp_path):
    for label, wnid in enumerate(("n01", "n02", "n03")):
        for photo in range(2):
            # Some of its photos are grey.
            grey, colour = photo == 1, 50 * label
            save(
                tmp_path / "train" / wnid / "images" / f"{wnid}_{photo}.png",
                colour if grey else (colour,) * 3,
                (64, 64),
                "L" if grey else "RGB",
            )
        save(tmp_path / "val" / "images" / f"val_{label}.png", (50 * label,) * 3, (64, 64))
    lines = [f"val_{2 - i}.png\tn0{3 - i}\t0\t0\t62\t62" for i in range(3)]
    (tmp_path / "val" / "val_annotations.txt").write_text("\n".join(lines))
    (tmp_path / "words.txt").write_text("n01\tgoldfish, Carassius auratus\nn02\tsalamander\n")
    return tmp_path


def test_tiny_imagenet_comes_with_the_names_of_its_classes(tiny):
    train, validation = load_tiny_imagenet(tiny)
    assert train.classes == ("goldfish", "salamander", "n03")
    assert train.y.tolist() == [0, 0, 1, 1, 2, 2]
    assert (train.x[:, 0, 0, 0] == 50 * train.y).all()
    assert validation.y.tolist() == [2, 1, 0]
    assert (validation.x[:, 0, 0, 0] == 50 * validation.y).all()


def test_some_classes_can_be_taken_by_number_or_by_id(tiny):
    assert load_tiny_imagenet(tiny, classes=2)[0].classes == ("goldfish", "salamander")
    train, validation = load_tiny_imagenet(tiny, classes=["n03"])
    assert (len(train), len(validation)) == (2, 1)
    with pytest.raises(InputError, match="has no class n07"):
        load_tiny_imagenet(tiny, classes=["n07"])


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (0, "classes is 0, but .* has 3 of them"),
        (-1, "classes is -1"),
        (4, "classes is 4, but .* has 3 of them"),
        ("n01", r"classes is 'n01'; give a list"),
        (["n01", "n01"], "classes has 'n01' more than once"),
    ],
)
def test_classes_that_make_no_sense_are_refused(tiny, classes, message):
    with pytest.raises(InputError, match=f"load_tiny_imagenet: {message}"):
        load_tiny_imagenet(tiny, classes)


def test_annotations_that_leave_their_folder_are_refused(tiny):
    (tiny / "val" / "val_annotations.txt").write_text("../secret.png\tn01\n")
    with pytest.raises(FormatError, match="each line needs a file name, a tab and a class"):
        load_tiny_imagenet(tiny)


def test_missing_files_are_named(tiny, tmp_path_factory):
    with pytest.raises(InputError, match="train/WNID/images is missing"):
        load_tiny_imagenet(tmp_path_factory.mktemp("empty"))
    (tiny / "words.txt").unlink()
    with pytest.raises(InputError, match=r"cannot read .*words\.txt"):
        load_tiny_imagenet(tiny)
