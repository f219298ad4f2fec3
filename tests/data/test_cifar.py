import json
import pickle

import numpy as np
import pytest
from PIL import Image

from minicap.data.cifar import load_cifar10
from minicap.errors import FormatError, InputError

BATCHES = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]
COUNT = 4  # images of a batch; the real ones have 10,000


@pytest.fixture
def batches(rng):
    return {
        name: (rng.integers(256, size=(COUNT, 3, 32, 32)).astype(np.uint8), rng.integers(10, size=COUNT))
        for name in BATCHES
    }


def write_pickles(folder, batches, protocol=2):
    for name, (x, y) in batches.items():
        # As Python 2 wrote them: keys of bytes.
        batch = {b"data": x.reshape(COUNT, 3072), b"labels": y.tolist(), b"batch_label": b"of 5"}
        (folder / name).write_bytes(pickle.dumps(batch, protocol))


def write_binary(folder, batches):
    for name, (x, y) in batches.items():
        records = np.concatenate([y[:, None].astype(np.uint8), x.reshape(COUNT, 3072)], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())


def write_png(folder, batches):
    for name, (x, _) in batches.items():
        Image.fromarray(x.transpose(0, 2, 3, 1).reshape(COUNT, 1024, 3)).save(folder / f"{name}.png")
    train = [int(label) for name in BATCHES[:5] for label in batches[name][1]]
    (folder / "train_lables.json").write_text(json.dumps(train))
    (folder / "test_lables.json").write_text(json.dumps(batches["test_batch"][1].tolist()))


@pytest.mark.parametrize("write", [write_pickles, write_binary, write_png])
def test_every_form_gives_the_same_images_and_labels(write, tmp_path, batches):
    write(tmp_path, batches)
    train, test = load_cifar10(tmp_path)
    np.testing.assert_array_equal(train.x, np.concatenate([batches[name][0] for name in BATCHES[:5]]))
    np.testing.assert_array_equal(train.y, np.concatenate([batches[name][1] for name in BATCHES[:5]]))
    np.testing.assert_array_equal(test.x, batches["test_batch"][0])
    np.testing.assert_array_equal(test.y, batches["test_batch"][1])
    assert train.classes[3] == "cat"


@pytest.mark.parametrize("protocol", [2, 4])
def test_pickles_of_a_newer_numpy_are_read(tmp_path, batches, protocol):
    write_pickles(tmp_path, batches, protocol)
    assert load_cifar10(tmp_path)[0].x.shape == (5 * COUNT, 3, 32, 32)


class Attack:
    def __reduce__(self):
        return eval, ("open('CAUGHT', 'w')",)


def test_a_pickle_that_would_run_code_is_refused(tmp_path, batches, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pickles(tmp_path, batches)
    (tmp_path / "data_batch_2").write_bytes(pickle.dumps({b"data": Attack(), b"labels": []}))
    with pytest.raises(FormatError, match=r"data_batch_2: refused"):
        load_cifar10(tmp_path)
    assert not (tmp_path / "CAUGHT").exists()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([1, 2], "not a CIFAR-10 batch"),
        ({b"data": b"x", b"labels": []}, "not an array"),
        ({b"data": np.zeros((2, 3072), np.float32), b"labels": [1, 2]}, r"not \(N, 3072\) bytes"),
        ({b"data": np.zeros((2, 99), np.uint8), b"labels": [1, 2]}, r"not \(N, 3072\) bytes"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]}, "2 images need as many whole numbers"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, "x"]}, "as many whole numbers"),
        ({b"data": np.zeros((2, 3072), np.uint8), b"labels": [1, 10]}, "a label is 10"),
        (
            {b"data": np.zeros((1, 3072), np.uint8), b"labels": [1 << 80]},
            "a label is 12089258",
        ),
    ],
)
def test_a_pickle_that_holds_something_else_is_named(tmp_path, batches, batch, message):
    write_pickles(tmp_path, batches)
    (tmp_path / "data_batch_1").write_bytes(pickle.dumps(batch, 2))
    with pytest.raises(FormatError, match=message):
        load_cifar10(tmp_path)


def test_a_binary_file_of_another_length_is_named(tmp_path, batches):
    write_binary(tmp_path, batches)
    path = tmp_path / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        FormatError, match=r"data_batch_3\.bin: 12291 bytes are not a whole number of records"
    ):
        load_cifar10(tmp_path)


def test_damaged_pictures_and_labels_are_named(tmp_path, batches):
    write_png(tmp_path, batches)
    path = tmp_path / "data_batch_4.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FormatError, match=r"data_batch_4\.png: not a valid PNG"):
        load_cifar10(tmp_path)
    path.write_bytes(whole)
    (tmp_path / "train_lables.json").write_text("[1, 2, 11]")
    with pytest.raises(FormatError, match=r"train_lables\.json: a label is 11, but there are 10 classes"):
        load_cifar10(tmp_path)


def test_a_missing_batch_and_an_empty_folder_are_named(tmp_path, batches):
    with pytest.raises(InputError, match=r"has no CIFAR-10: neither data_batch_1 nor data_batch_1\.bin"):
        load_cifar10(tmp_path)
    write_binary(tmp_path, batches)
    (tmp_path / "data_batch_5.bin").unlink()
    with pytest.raises(InputError, match=r"cannot read .*data_batch_5\.bin"):
        load_cifar10(tmp_path)
