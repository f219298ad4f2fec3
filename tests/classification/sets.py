"""Tiny sets of labelled photos that tests write to disk."""

import gzip
import struct
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (30, 40, 200), "green": (30, 190, 40), "red": (210, 40, 30)}


def write_photo_folders(
    folder: Path, splits: tuple[str, ...] = ("",), count: int = 8, side: int = 16, seed: int = 0
) -> Path:
    """Noisy photos of one colour each, in a folder for every colour: a set any network can learn."""
    rng = np.random.default_rng(seed)
    for split in splits:
        for name, colour in COLOURS.items():
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.clip(colour + rng.normal(0, 20, size=(side, side, 3)), 0, 255)
                Image.fromarray(pixels.astype(np.uint8)).save(folder / split / name / f"{number}.png")
    return folder


def write_digits(folder: Path, train: int = 40, test: int = 20, side: int = 8, seed: int = 0) -> Path:
    """idx files as MNIST's: digit d is a white column at d on black."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    for name, count in (("train", train), ("t10k", test)):
        labels = np.arange(count) % 10
        images = rng.integers(0, 40, size=(count, side, side), dtype=np.uint8)
        images[np.arange(count), labels * side // 10, :] += 200
        _write_idx(folder / f"{name}-images-idx3-ubyte.gz", images)
        _write_idx(folder / f"{name}-labels-idx1-ubyte.gz", labels.astype(np.uint8))
    return folder


def _write_idx(path: Path, array: np.ndarray) -> None:
    head = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    path.write_bytes(gzip.compress(head + array.tobytes()))
