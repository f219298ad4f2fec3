"""`minicap train DATA --run RUN`: train a captioner; `minicap train --resume RUN`: go on with one."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from minicap.captioning import Captioner, SqueezeNetEncoder
from minicap.captioning.run import CaptionRunConfig, evaluate, load_split, make_trainer
from minicap.cli.scores import print_scores
from minicap.cli.settings import add_settings, given_settings
from minicap.data import CaptionDataset, open_dataset
from minicap.errors import InputError
from minicap.formats import read_toml
from minicap.training import MAY_CHANGE, RunFolder, Trainer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", nargs="?", metavar="DATA", help='folder or JSON file in Karpathy\'s format, or "sample"'
    )
    parser.add_argument("--run", type=Path, metavar="DIR", help="folder to make for the run")
    parser.add_argument("--resume", type=Path, metavar="RUN", help="go on with an interrupted run")
    parser.add_argument("--config", type=Path, metavar="FILE.toml", help="settings, like a config.toml")
    add_settings(parser, CaptionRunConfig.tables())


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
    encoder = SqueezeNetEncoder()
    train = load_split(dataset, "train", encoder)
    validation = load_split(dataset, "val", encoder) if dataset.counts()["val"] else None
    _, trainer = make_trainer(config, run_folder, train, validation, (print_epoch,))
    if run_folder.holds_a_run:
        trainer.resume()
        run_folder.write_config(config.to_toml())
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


def _new_config(args: argparse.Namespace) -> CaptionRunConfig:
    tables = read_toml(args.config) if args.config else {}
    CaptionRunConfig.from_tables(tables, str(args.config))  # mistakes in the file are told apart from flags'
    for table, kind in CaptionRunConfig.tables().items():
        if given := given_settings(args, kind):
            tables[table] = {**tables.get(table, {}), **given}
    if args.data:
        path = args.data if args.data == "sample" else str(Path(args.data).resolve())
        tables["data"] = {**tables.get("data", {}), "path": path}
    if "path" not in tables.get("data", {}):
        raise InputError('say what to train on: a folder in Karpathy\'s format, or "sample"')
    return CaptionRunConfig.from_tables(tables, "command line")


def _resumed_config(args: argparse.Namespace) -> CaptionRunConfig:
    if not (args.resume / "config.toml").is_file():
        raise InputError(f"{args.resume} is no run folder: it has no config.toml")
    config = CaptionRunConfig.read(args.resume / "config.toml")
    tables = {name: asdict(getattr(config, name)) for name in CaptionRunConfig.tables()}
    for table, kind in CaptionRunConfig.tables().items():
        for name, value in given_settings(args, kind).items():
            if not (table == "training" and name in MAY_CHANGE) and tables[table][name] != value:
                raise InputError(f"--{name.replace('_', '-')} cannot change when a run is resumed")
            tables[table][name] = value
    return CaptionRunConfig.from_tables(tables, "config.toml")
