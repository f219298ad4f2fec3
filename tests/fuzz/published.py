"""What others publish, fuzzed: data sets in their own layouts, archives, PyTorch's and TensorFlow's files."""

import gzip
import json
import pickle
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cli.test_published_sets import write_coco, write_flickr8k
from formats.test_tfjs import files as tfjs_files
from formats.test_tfjs import manifest, write
from formats.test_torch_file import NUMBERS, STATE, write_legacy, write_zip
from fuzz.mutations import of_bytes, of_text

from minicap.data import load_cifar10, load_folder, open_dataset
from minicap.data.mnist import load_idx
from minicap.data.unpack import unpack
from minicap.formats.tfjs import load_tfjs
from minicap.formats.torch_file import load_torch

Generator = np.random.Generator
Try = Callable[[Generator], object]


def coco(folder: Path) -> Try:
    """COCO's JSON with tokens replaced."""
    write_coco(folder / "coco")
    path = folder / "coco" / "annotations" / "captions_train2017.json"
    text = path.read_text(encoding="utf-8")

    def attempt(rng: Generator) -> object:
        path.write_bytes(of_text(rng, text))
        return open_dataset(folder / "coco")

    return attempt


def flickr(folder: Path) -> Try:
    """The token file and the lists of Flickr8k, damaged."""
    write_flickr8k(folder / "flickr")
    texts = {path: path.read_text(encoding="utf-8") for path in (folder / "flickr").glob("*.txt")}

    def attempt(rng: Generator) -> object:
        for path, text in texts.items():
            path.write_text(text, encoding="utf-8")
        path = list(texts)[rng.integers(len(texts))]
        path.write_bytes(of_bytes(rng, of_text(rng, texts[path])))
        return open_dataset(folder / "flickr")

    return attempt


def unquoted_tables(folder: Path) -> Try:
    """Tables in which quotes are part of the captions."""
    write_flickr8k(folder)
    text = "image,labels,caption\n" + "".join(f'{n}.jpg,1 2,A "dog", or {n}\n' for n in range(6))
    table = folder / "Flicker8k_Dataset" / "captions.csv"

    def attempt(rng: Generator) -> object:
        table.write_bytes(of_bytes(rng, of_text(rng, text)))
        return load_folder(table, quoted=False)

    return attempt


def idx_files(folder: Path) -> Try:
    """MNIST's files, packed and not."""
    array = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
    whole = bytes([0, 0, 8, 3]) + struct.pack(">3I", *array.shape) + array.tobytes()

    def attempt(rng: Generator) -> object:
        path = folder / ("a.gz" if rng.random() < 0.5 else "a")
        content = of_bytes(rng, whole)
        packed = path.suffix == ".gz"
        path.write_bytes(of_bytes(rng, gzip.compress(whole)) if packed and rng.random() < 0.5 else content)
        return load_idx(path)

    return attempt


def cifar_batches(folder: Path) -> Try:
    """CIFAR-10's pickles and binary files."""
    pixels = np.zeros((2, 3072), np.uint8)
    pickled = pickle.dumps({b"data": pixels, b"labels": [1, 2]}, 2)
    binary = bytes(2 * 3073)
    names = [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]

    def attempt(rng: Generator) -> object:
        ending, content = [("", pickled), (".bin", binary)][rng.integers(2)]
        for old in folder.glob("*batch*"):
            old.unlink()
        for name in names:
            (folder / f"{name}{ending}").write_bytes(content)
        (folder / f"{names[rng.integers(6)]}{ending}").write_bytes(of_bytes(rng, content))
        return load_cifar10(folder)

    return attempt


def torch_files(folder: Path) -> Try:
    """PyTorch's files of both forms."""
    originals = []
    for writer in (write_zip, write_legacy):
        writer(folder / "a.pth", STATE, {"0": NUMBERS.tobytes()})
        originals.append((folder / "a.pth").read_bytes())

    def attempt(rng: Generator) -> object:
        (folder / "a.pth").write_bytes(of_bytes(rng, originals[rng.integers(2)]))
        return load_torch(folder / "a.pth")

    return attempt


def tfjs_archives(folder: Path) -> Try:
    """A model of TensorFlow.js: its description, its numbers, the archive itself."""
    whole = tfjs_files(manifest())
    text = json.dumps(manifest())

    def attempt(rng: Generator) -> object:
        path = write(folder / "a.tgz", whole | {"package/model/model.json": of_text(rng, text)})
        if rng.random() < 0.5:
            path.write_bytes(of_bytes(rng, write(path, whole).read_bytes()))
        return load_tfjs(path)

    return attempt


def archives(folder: Path) -> Try:
    """Archives of a data set."""
    (folder / "set").mkdir()
    (folder / "set" / "a").write_bytes(bytes(5000))
    originals = {}
    for name in ("a.tar", "a.tar.gz", "a.tar.bz2", "a.tar.xz"):
        with tarfile.open(folder / name, f"w:{name.partition('tar')[2][1:]}") as tar:
            tar.add(folder / "set", "set")
        originals[name] = (folder / name).read_bytes()
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        zipped.write(folder / "set" / "a", "set/a")
    originals["a.zip"] = (folder / "a.zip").read_bytes()

    def attempt(rng: Generator) -> object:
        shutil.rmtree(folder / "out", ignore_errors=True)
        name = str(rng.choice(list(originals)))
        (folder / name).write_bytes(of_bytes(rng, originals[name]))
        return unpack(folder / name, folder / "out", "set", 100_000)

    return attempt


PUBLISHED: dict[Callable[[Path], Try], int] = {
    coco: 2000,
    flickr: 2000,
    unquoted_tables: 1000,
    idx_files: 2000,
    cifar_batches: 2000,
    torch_files: 4000,
    tfjs_archives: 2000,
    archives: 3000,
}
