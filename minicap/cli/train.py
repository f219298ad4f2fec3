"""`minicap train DATA --run RUN`: train a captioner; `minicap train --resume RUN`: go on with one."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from minicap.captioning import ENCODERS, MODELS, Captioner, make_encoder
from minicap.captioning.run import CaptionRunConfig, evaluate, load_split, make_trainer
from minicap.cli.scores import print_scores
from minicap.cli.settings import add_settings, given_settings
from minicap.data import SAMPLE, CaptionDataset, open_dataset
from minicap.errors import InputError
from minicap.formats import read_toml
from minicap.training import MAY_CHANGE, RunFolder, Trainer

_CHOSEN = {"encoder": list(ENCODERS), "model": list(MODELS)}  # tables whose settings depend on a name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", nargs="?", metavar="DATA", help='folder or JSON file in Karpathy\'s format, or "sample"'
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder to make for the run")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with an interrupted run")
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings, like a config.toml")
    for table, names in _CHOSEN.items():
        default = CaptionRunConfig.tables()[table].name
        parser.add_argument(f"--{table}", metavar="NAME", help=f"{', '.join(names)} (default: {default})")


def add_named_settings(parser: argparse.ArgumentParser, argv: Sequence[str]) -> None:
    """A flag for every setting.  Which there are depends on the encoder and the model that argv names."""
    kinds = CaptionRunConfig.tables_for(_named(argv), "command line")
    parser.set_defaults(kinds=kinds)
    add_settings(parser, kinds)


def _named(argv: Sequence[str]) -> dict[str, dict[str, str]]:
    """The encoder and the model of a command line: those of its flags, else of its --config or --resume."""
    peek = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    for flag in ("--config", "--resume", *(f"--{table}" for table in _CHOSEN)):
        peek.add_argument(flag, nargs="?")
    args, _ = peek.parse_known_args(argv)
    path = args.config or (args.resume and Path(args.resume) / "config.toml")
    of_file = CaptionRunConfig.tables_for(read_toml(path) if path and Path(path).is_file() else {}, str(path))
    return {table: {"name": getattr(args, table) or of_file[table].name} for table in _CHOSEN}


def run(args: argparse.Namespace) -> int:
    if args.resume:
        if args.data or args.run or args.config:
            raise InputError("--resume takes data and settings from the run; leave out DATA, --run, --config")
        folder, config = args.resume, _resumed_config(args)
    else:
        if not args.run:
            raise InputError("say where the run goes: --run DIR")
        folder, config = args.run, _new_config(args)
    dataset = open_dataset(config.data.path)
    run_folder = RunFolder(folder)
    with run_folder.locked():
        if run_folder.holds_a_run and not args.resume:
            raise InputError(f"{folder} holds a run already; --resume {folder} goes on with it")
        _train(config, run_folder, dataset)
    print(f"Caption a photo of yours: minicap caption PHOTO --run {folder}")
    return 0


def _train(config: CaptionRunConfig, run_folder: RunFolder, dataset: CaptionDataset) -> None:
    """Start the run, or go on with it."""
    if not run_folder.holds_a_run:
        run_folder.write_config(config.to_toml())  # first of all, so that --resume knows an early death too
    encoder = make_encoder(config.encoder)
    train = load_split(dataset, "train", encoder, config.reads)
    validation = load_split(dataset, "val", encoder, config.reads) if dataset.counts()["val"] else None
    _, trainer = make_trainer(config, run_folder, train, validation, (print_epoch,))
    if run_folder.holds_a_run:
        trainer.resume()
        run_folder.write_config(config.to_toml())
    if trainer.position.epoch >= config.training.epochs:
        print(f"{run_folder.path} is finished; --epochs {2 * trainer.position.epoch} would go on with it")
    trainer.fit()
    if trainer.position.epoch < config.training.epochs:
        print(f"no better {trainer.monitor.name} for {config.training.patience} epochs; stopped")
    draw_curves(run_folder)
    if validation:
        scores, _ = evaluate(Captioner.load(run_folder.path), validation, beam=1)
        print_scores({"validation, greedy": scores})


def print_epoch(trainer: Trainer, record: dict[str, Any]) -> None:
    """One line per epoch."""
    validation = f"  validation {record['validation_loss']:.3f}" if "validation_loss" in record else ""
    watched = trainer.monitor.name
    score = "" if watched.endswith("_loss") else f"  {watched} {record[watched]:.3f}"
    epochs = trainer.config.epochs
    print(
        f"epoch {record['epoch']:>3}/{epochs}  loss {record['train_loss']:.3f}{validation}{score}", flush=True
    )


def draw_curves(run_folder: RunFolder) -> None:
    """figures/loss.png, where matplotlib is installed; a line saying so where not."""
    from minicap.errors import MissingExtra
    from minicap.plots import loss_curves, save_figure

    try:
        figure = loss_curves(run_folder.metrics(), unit="cross-entropy a word (nats)")
        save_figure(figure, run_folder.figures / "loss.png")
    except MissingExtra as missing:
        print(f"(no figures: {missing})")


def _overrides(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """What the flags say, table by table, and the names of the encoder and the model."""
    names = {table: {"name": args.kinds[table].name} for table in _CHOSEN}
    return {table: names.get(table, {}) | given_settings(args, kind) for table, kind in args.kinds.items()}


def _new_config(args: argparse.Namespace) -> CaptionRunConfig:
    tables = read_toml(args.config) if args.config else {}
    CaptionRunConfig.from_tables(tables, str(args.config))  # mistakes in the file are told apart from flags'
    of_file = CaptionRunConfig.tables_for(tables, str(args.config))
    for table, given in _overrides(args).items():
        # The file's settings of another model than the one that is asked for are of no use to it.
        kept = tables.get(table, {}) if of_file[table] is args.kinds[table] else {}
        tables[table] = {**kept, **given}
    if args.data:
        tables["data"]["path"] = args.data if args.data == SAMPLE else str(Path(args.data).resolve())
    if "path" not in tables["data"]:
        raise InputError('say what to train on: a folder in Karpathy\'s format, or "sample"')
    return CaptionRunConfig.from_tables(tables, "command line")


def _resumed_config(args: argparse.Namespace) -> CaptionRunConfig:
    if not (args.resume / "config.toml").is_file():
        raise InputError(f"{args.resume} is no run folder: it has no config.toml")
    config = CaptionRunConfig.read(args.resume / "config.toml")
    tables = {name: asdict(getattr(config, name)) for name in CaptionRunConfig.tables()}
    for table, given in _overrides(args).items():
        for name, value in given.items():
            if not (table == "training" and name in MAY_CHANGE) and tables[table].get(name) != value:
                flag = table if name == "name" else name.replace("_", "-")
                raise InputError(f"--{flag} cannot change when a run is resumed")
            tables[table][name] = value
    return CaptionRunConfig.from_tables(tables, "config.toml")
