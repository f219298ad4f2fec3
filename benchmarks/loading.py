"""What threads that make batches ahead are worth: photos a second with and without them.

    python -m benchmarks.loading

Three tables: CNN2 trained on CIFAR-10's shapes, images mirrored, shifted and partly hidden (what is on them
does not matter here); CNN2 trained on JPEGs that are decoded for every batch; and reading a folder of JPEGs
alone, as `load_image_folder` does.  The numbers of threads take turns, and each figure is the median over the
rounds.  Before them, what a batch and a step take of the processor, which a busy machine changes least.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, process_time

import numpy as np
from PIL import Image

from minicap.arrays.random import RandomStream
from minicap.data import ArrayDataset, load_image
from minicap.data.transforms import make_augmentation
from minicap.models import make_network
from minicap.models.registry import SmallNetworkConfig
from minicap.nn import Supervised
from minicap.training import Examples, RunFolder, Trainer, TrainingConfig
from minicap.training.ahead import made_ahead


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loading")
    parser.add_argument("--loaders", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=5120, help="trained on in each round")
    parser.add_argument("--photos", type=int, default=512, help="JPEGs in the folder")
    parser.add_argument("--side", type=int, default=160, help="pixels of a JPEG, which are scaled to 32")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args(argv)
    with TemporaryDirectory() as folder:
        photos = write_photos(Path(folder) / "photos", args.photos, args.side)
        cases: dict[str, Callable[[int], float]] = {
            "training, augmented": partial(trained, cifar(args.images), args.batch_size),
            "training, decoding": partial(trained, Photos(photos), args.batch_size),
            "decoding alone": partial(decoded, photos),
        }
        for name, examples in (("augmented", cifar(args.images)), ("decoded", Photos(photos))):
            batch, step = processor_time(examples, args.batch_size, args.rounds)
            print(f"{args.batch_size} photos {name}: {1000 * batch:.2f} ms, a step: {1000 * step:.1f} ms")
        print("photos a second  " + "".join(f"{f'{n} loaders':>12}" for n in args.loaders))
        for name, run in cases.items():
            rounds = [[run(loaders) for loaders in args.loaders] for _ in range(args.rounds)]
            print(f"{name:20}" + "".join(f"{rate:12.0f}" for rate in np.median(rounds, axis=0)))


class Photos:
    """JPEGs that are decoded anew for every batch."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, indices: np.ndarray, rng: RandomStream | None) -> dict[str, np.ndarray]:
        x = np.stack([small(self.paths[i]) for i in indices])
        return {"x": x.astype(np.float32) / 255, "y": indices % 10}


def small(path: Path) -> np.ndarray:
    return np.asarray(Image.fromarray(load_image(path)).resize((32, 32))).transpose(2, 0, 1)


def cifar(images: int) -> ArrayDataset:
    rng = np.random.default_rng(0)
    x = rng.integers(256, size=(images, 3, 32, 32), dtype=np.uint8)
    augment = make_augmentation({"flip": 0.5, "shift": 4, "cutout": 8})
    return replace(ArrayDataset(x, rng.integers(10, size=images)).standardized(), augment=augment)


def write_photos(folder: Path, count: int, side: int) -> list[Path]:
    """Blurred noise, which takes as many bytes as photos do."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(count):
        noise = Image.fromarray(rng.integers(256, size=(side // 4, side // 4, 3), dtype=np.uint8))
        noise.resize((side, side)).save(folder / f"{number}.jpg")
    return sorted(folder.iterdir())


def trained(examples: Examples, batch_size: int, loaders: int) -> float:
    """Images a second over an epoch, after a short one to warm up."""
    model = Supervised(make_network(SmallNetworkConfig("cnn2"), (3, 32, 32), 10)).initialize(0)
    config = TrainingConfig(epochs=2, batch_size=batch_size, loaders=loaders)
    with TemporaryDirectory() as run:
        records = Trainer(model, examples, config, RunFolder(run)).fit()
    return len(examples) / float(records[-1]["seconds"])


def processor_time(examples: Examples, batch_size: int, rounds: int) -> tuple[float, float]:
    """Seconds of all cores that a batch takes, and a step with it."""
    model = Supervised(make_network(SmallNetworkConfig("cnn2"), (3, 32, 32), 10)).initialize(0)
    indices, stream = np.arange(min(batch_size, len(examples))), RandomStream(0)
    times = []
    for _ in range(rounds + 1):
        started = process_time()
        batch = examples.batch(indices, stream)
        made = process_time()
        model.loss(batch, rng=stream)
        times.append((made - started, process_time() - made))
    of_batch, of_step = np.median(times[1:], axis=0)
    return float(of_batch), float(of_step)


def decoded(photos: list[Path], loaders: int) -> float:
    started = perf_counter()
    with made_ahead(small, photos, loaders) as made:
        count = sum(1 for _ in made)
    return count / (perf_counter() - started)


if __name__ == "__main__":
    main()
