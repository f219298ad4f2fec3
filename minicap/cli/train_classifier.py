"""`minicap train classifier PATH --data NAME --model NAME --run RUN`."""

import argparse
from collections.abc import Sequence

from minicap.classification.run import ClassifierRunConfig, Splits, load_splits, make_trainer, open_trainer
from minicap.cli.arguments import absolute, path
from minicap.cli.fitting import fit, print_epoch
from minicap.cli.settings import Tables, given_tables
from minicap.data import LABELLED
from minicap.training import RunFolder

CONFIG, OPEN_TRAINER = ClassifierRunConfig, open_trainer
DONE = "Score it: minicap eval {run}\nClassify a photo of your own: minicap classify PHOTO --run {run}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("data", nargs="?", type=path, metavar="PATH", help="folder that the data set lies in")
    parser.add_argument(
        "--data",
        dest="dataset",
        metavar="NAME",
        help=f"{', '.join(LABELLED)} (default: folder, which holds one for each class)",
    )


def new(args: argparse.Namespace) -> tuple[ClassifierRunConfig, Splits]:
    """The settings of flags and --config, and the data set."""
    tables = given_tables(CONFIG, args)
    if args.data:
        tables["data"]["path"] = str(args.data)
    if args.dataset:
        tables["data"]["name"] = args.dataset
    tables, splits = completed(tables)
    return CONFIG.from_tables(tables, "command line"), splits


def completed(tables: Tables) -> tuple[Tables, Splits]:
    """The tables of a new run, its data set at an absolute path, and the data set."""
    path = absolute(tables["data"].get("path", ""))
    tables = tables | {"data": tables["data"] | {"path": path}}
    photos = CONFIG.from_tables(tables, "command line").photos
    if photos:
        tables["data"].setdefault("size", photos.size)
    return tables, open_data(CONFIG.from_tables(tables, "command line"))


def prepare(configs: Sequence[ClassifierRunConfig]) -> None:
    """Runs of a sweep share nothing that is worth making beforehand."""


def open_data(config: ClassifierRunConfig) -> Splits:
    """The splits of the data set, after printing what is in it."""
    splits = load_splits(config.data, config.photos)
    train = splits["train"]
    counts = ", ".join(f"{name} {len(split)}" for name, split in splits.items())
    shape = " x ".join(map(str, train.x.shape[1:]))
    print(f"{config.data.name}: {len(train.classes)} classes, photos of {shape} ({counts})")
    return splits


def train(config: ClassifierRunConfig, run_folder: RunFolder, splits: Splits) -> None:
    """Start the run, or go on with it."""
    classifier, trainer = make_trainer(config, run_folder, splits, (print_epoch,))
    print(f"{config.model.name} has {classifier.parameters:,} parameters", flush=True)
    fit(trainer, run_folder, config, unit="cross-entropy (nats)")
