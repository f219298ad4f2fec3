"""`minicap train charlm --text FILE --run RUN`."""

import argparse
from collections.abc import Sequence

from minicap.characters.run import CharacterRunConfig, Text, load_text, make_trainer, open_trainer
from minicap.cli.arguments import absolute, path
from minicap.cli.fitting import fit, print_epoch
from minicap.cli.settings import Tables, given_tables
from minicap.training import RunFolder

CONFIG, OPEN_TRAINER = CharacterRunConfig, open_trainer
DONE = "Let it write: minicap sample {run} --temperature 0.7"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text", type=path, metavar="FILE", help="the text to learn from, in UTF-8")


def new(args: argparse.Namespace) -> tuple[CharacterRunConfig, Text]:
    """The settings of flags and --config, and the text."""
    tables = given_tables(CONFIG, args)
    if args.text:
        tables["data"]["path"] = str(args.text)
    tables, text = completed(tables)
    return CONFIG.from_tables(tables, "command line"), text


def completed(tables: Tables) -> tuple[Tables, Text]:
    """The tables of a new run, its text at an absolute path, and the text."""
    path = absolute(tables["data"].get("path", ""))
    tables = tables | {"data": tables["data"] | {"path": path}}
    return tables, open_data(CONFIG.from_tables(tables, "command line"))


def prepare(configs: Sequence[CharacterRunConfig]) -> None:
    """Runs of a sweep share nothing that is worth making beforehand."""


def open_data(config: CharacterRunConfig) -> Text:
    """The text, after printing what is in it."""
    text = load_text(config.data)
    print(
        f"{len(text.train):,} characters to train on, {len(text.validation):,} to validate on, "
        f"{len(text.alphabet)} different ones"
    )
    return text


def train(config: CharacterRunConfig, run_folder: RunFolder, text: Text) -> None:
    """Start the run, or go on with it."""
    writer, trainer = make_trainer(config, run_folder, text, (print_epoch,))
    print(f"the model has {writer.parameters:,} parameters", flush=True)
    fit(trainer, run_folder, config, unit="cross-entropy per character (nats)")
