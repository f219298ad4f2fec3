import gzip
import struct

import numpy as np
import pytest

from minicap.data.mnist import load_fashion_mnist, load_idx, load_mnist
from minicap.errors import FormatError, InputError


def idx(array, kind=0x08):
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path, rng):
    for name, count in (("train", 5), ("t10k", 3)):
        images = rng.integers(256, size=(count, 28, 28)).astype(np.uint8)
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(idx(images))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(idx(np.arange(count, dtype=np.uint8)))
    return tmp_path


def test_both_parts_come_as_grey_images_with_class_names(folder):
    train, test = load_mnist(folder)
    assert (train.x.shape, test.x.shape) == ((5, 1, 28, 28), (3, 1, 28, 28))
    assert train.x.dtype == np.uint8
    assert train.y.tolist() == [0, 1, 2, 3, 4]
    assert train.classes[3] == "3"
    assert load_fashion_mnist(folder)[0].classes[9] == "ankle boot"


def test_packed_files_and_dots_in_names_are_found(folder):
    plain = load_mnist(folder)[0].x
    for path in list(folder.iterdir()):
        (folder / (path.name.replace("-idx", ".idx") + ".gz")).write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    np.testing.assert_array_equal(load_mnist(folder)[0].x, plain)


@pytest.mark.parametrize(("kind", "dtype"), [(0x09, "i1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0E, ">f8")])
def test_every_type_of_number_comes_in_the_byte_order_of_this_machine(tmp_path, kind, dtype):
    array = np.array([[1, -2], [3, 4]], dtype=dtype)
    (tmp_path / "file").write_bytes(idx(array, kind))
    found = load_idx(tmp_path / "file")
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: b"", "not an idx file"),
        (lambda content: b"\x89PNG" + content, "not an idx file"),
        (lambda content: content[:2] + b"\x07" + content[3:], "not an idx file"),
        (lambda content: content[:9], "truncated within its sizes"),
        (lambda content: content[:-1], "holds 3919 bytes of numbers, where .* need 3920"),
        (lambda content: content + b"x", "holds 3921 bytes of numbers"),
        (lambda content: b"\0\0\x08\x64" + struct.pack(">100I", *[1] * 100) + b"\0", "maximum supported"),
        (
            lambda content: b"\0\0\x08\x04" + struct.pack(">4I", 0, *[2**32 - 1] * 3),
            "maximum|too big|array is",
        ),
    ],
)
def test_a_damaged_file_is_named(folder, damage, message):
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(FormatError, match=f"train-images-idx3-ubyte: {message}"):
        load_mnist(folder)


@pytest.mark.parametrize(
    "damage", [lambda c: c[:-10], lambda c: c[:20] + b"\0\0\0" + c[23:], lambda c: b"no"]
)
def test_a_damaged_archive_is_named(tmp_path, damage):
    packed = gzip.compress(idx(np.arange(200, dtype=np.uint8)))
    (tmp_path / "file.gz").write_bytes(damage(packed))
    with pytest.raises(FormatError, match=r"file\.gz"):
        load_idx(tmp_path / "file.gz")


def test_a_missing_file_is_named(folder):
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="has no t10k-labels-idx1-ubyte"):
        load_mnist(folder)


def test_as_many_labels_as_images_are_needed(folder):
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(4, np.uint8)))
    with pytest.raises(FormatError, match=r"images \(5, 28, 28\) of uint8 and labels \(4,\)"):
        load_mnist(folder)


def test_a_label_beyond_the_classes_is_refused(folder):
    (folder / "train-labels-idx1-ubyte").write_bytes(idx(np.full(5, 10, np.uint8)))
    with pytest.raises(FormatError, match="a label of train is 10"):
        load_mnist(folder)
