"""`minicap train tagger DATA --run RUN`."""

import argparse
from collections.abc import Sequence

from minicap.cli.arguments import absolute, named_or_path
from minicap.cli.fitting import fit, print_epoch
from minicap.cli.settings import Tables, given_tables
from minicap.data import SAMPLE, TaggedDataset, open_tagged
from minicap.errors import InputError
from minicap.models.encoders import make_encoder
from minicap.multilabel.run import TagRunConfig, load_splits, make_trainer, open_trainer, require_learnable
from minicap.progress import printable
from minicap.training import RunFolder

CONFIG, OPEN_TRAINER = TagRunConfig, open_trainer
DONE = "Score it: minicap eval {run}\nTag a photo of your own: minicap tag PHOTO --run {run}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        nargs="?",
        type=named_or_path(SAMPLE),
        metavar="DATA",
        help='folder of photos with labels, or its JSON or CSV file (docs/multilabel.md), or "sample"',
    )


def new(args: argparse.Namespace) -> tuple[TagRunConfig, TaggedDataset]:
    """The settings of flags and --config, and the data set."""
    tables = given_tables(CONFIG, args)
    if args.data:
        tables["data"]["path"] = args.data
    tables, dataset = completed(tables)
    return CONFIG.from_tables(tables, "command line"), dataset


def completed(tables: Tables) -> tuple[Tables, TaggedDataset]:
    """The tables of a new run, its data set at an absolute path, and the data set."""
    if "path" not in tables["data"]:
        raise InputError('say what to train on: a folder of photos with labels, or "sample"')
    path = absolute(tables["data"]["path"], SAMPLE)
    tables = tables | {"data": tables["data"] | {"path": path}}
    if vectors := tables["data"].get("word_vectors"):
        tables["data"]["word_vectors"] = absolute(vectors)
    return tables, open_data(CONFIG.from_tables(tables, "command line"))


def prepare(configs: Sequence[TagRunConfig]) -> None:
    """Extract the features that runs of a sweep share, before several of them do it at once."""
    for config in {(c.data.path, c.data.crops, c.encoder, c.model.fine_tune): c for c in configs}.values():
        load_splits(config)


def open_data(config: TagRunConfig) -> TaggedDataset:
    """The data set, after printing what is in it."""
    make_encoder(config.encoder)  # missing weights are reported before there is a run
    dataset = open_tagged(config.data.path, config.data.outside)
    require_learnable(dataset)
    counts = ", ".join(f"{name} {count}" for name, count in dataset.counts().items() if count)
    each = sum(len(photo.labels) for photo in dataset.photos) / len(dataset)
    print(f"{printable(dataset.name)}: {len(dataset.labels)} labels, {each:.1f} per photo (photos: {counts})")
    return dataset


def train(config: TagRunConfig, run_folder: RunFolder, dataset: TaggedDataset) -> None:
    """Start the run, or go on with it."""
    tagger, trainer = make_trainer(config, run_folder, *load_splits(config), (print_epoch,))
    labels = len(tagger.labels)
    print(f"the tagger has {tagger.parameters:,} parameters and knows {labels} labels", flush=True)
    if "labels_with_vectors" in trainer.about:
        known = trainer.about["labels_with_vectors"]
        print(f"{known} of the labels start from {printable(config.data.word_vectors)}", flush=True)
    fit(trainer, run_folder, config, unit="loss (nats)")
