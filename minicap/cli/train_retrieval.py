"""`minicap train retrieval DATA --run RUN`."""

import argparse
from collections.abc import Sequence

from minicap.captioning.retrieval.run import (
    RetrievalRunConfig,
    load_splits,
    make_trainer,
    open_trainer,
)
from minicap.cli.arguments import absolute, named_or_path
from minicap.cli.fitting import fit, print_epoch
from minicap.cli.settings import Tables, given_tables
from minicap.cli.train_captioner import open_captioned
from minicap.data import SAMPLE, CaptionDataset
from minicap.errors import InputError
from minicap.training import RunFolder

CONFIG, OPEN_TRAINER = RetrievalRunConfig, open_trainer
DONE = 'Score it: minicap eval {run}\nFind photos: minicap search "a dog on the beach" PHOTO... --run {run}'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        nargs="?",
        type=named_or_path(SAMPLE),
        metavar="DATA",
        help='folder of captioned photos (docs/data.md), or "sample"',
    )


def new(args: argparse.Namespace) -> tuple[RetrievalRunConfig, CaptionDataset]:
    """The settings of flags and --config, and the data set."""
    tables = given_tables(CONFIG, args)
    if args.data:
        tables["data"]["path"] = args.data
    tables, dataset = completed(tables)
    return CONFIG.from_tables(tables, "command line"), dataset


def completed(tables: Tables) -> tuple[Tables, CaptionDataset]:
    """The tables of a new run, its data set at an absolute path, and the data set."""
    if "path" not in tables["data"]:
        raise InputError('say what to train on: a folder of captioned photos, or "sample"')
    path = absolute(tables["data"]["path"], SAMPLE)
    tables = tables | {"data": tables["data"] | {"path": path}}
    return tables, open_data(CONFIG.from_tables(tables, "command line"))


def prepare(configs: Sequence[RetrievalRunConfig]) -> None:
    """Extract the features that runs of a sweep share, before several of them do it at once."""
    for config in {(c.data.path, c.encoder): c for c in configs}.values():
        load_splits(config, open_data(config))


def open_data(config: RetrievalRunConfig) -> CaptionDataset:
    """The data set, after printing what is in it."""
    return open_captioned(config.encoder, config.data.path, config.data.outside)


def train(config: RetrievalRunConfig, run_folder: RunFolder, dataset: CaptionDataset) -> None:
    """Start the run, or go on with it."""
    matcher, trainer = make_trainer(config, run_folder, *load_splits(config, dataset), (print_epoch,))
    words = len(matcher.vocabulary)
    print(f"the model has {matcher.parameters:,} parameters and knows {words} words", flush=True)
    fit(trainer, run_folder, config, unit="hinge loss per pair")
