"""`minicap train DATA --run RUN`: train a captioner; `minicap train --resume RUN`: go on with one."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from minicap.captioning import ENCODERS, MODELS, Captioner, make_encoder
from minicap.captioning.run import (
    SHIPPED,
    CaptionRunConfig,
    evaluate,
    load_split,
    load_start,
    make_trainer,
    settings_for,
)
from minicap.cli.arguments import path
from minicap.cli.scores import print_scores
from minicap.cli.settings import add_settings, given_settings
from minicap.data import SAMPLE, CaptionDataset, open_dataset
from minicap.data.captioned import shortcomings
from minicap.errors import InputError
from minicap.formats import read_toml
from minicap.progress import printable
from minicap.training import MAY_CHANGE, RunFolder, Trainer

_CHOSEN = {"encoder": list(ENCODERS), "model": list(MODELS)}  # tables whose settings depend on a name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data", nargs="?", metavar="DATA", help='folder of captioned photos (docs/data.md), or "sample"'
    )
    parser.add_argument("--run", type=path, metavar="DIR", help="folder to make for the run")
    parser.add_argument("--resume", type=path, metavar="RUN", help="go on with an interrupted run")
    parser.add_argument("--config", type=path, metavar="FILE.toml", help="settings, like a config.toml")
    parser.add_argument(
        "--from",
        dest="start",
        metavar="RUN",
        help='teach a captioner more: a run folder, a checkpoint, or "shipped" for the one in the package',
    )
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
        if args.data or args.run or args.config or args.start:
            raise InputError(
                "--resume takes data and settings from the run; leave out DATA, --run, --config, --from"
            )
        folder, config = args.resume, _resumed_config(args)
        dataset = open_dataset(config.data.path, config.data.outside)
    else:
        if not args.run:
            raise InputError("say where the run goes: --run DIR")
        folder = args.run
        config, dataset = _new_config(args)
    _say_what_there_is(dataset)
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
    captioner, trainer = make_trainer(config, run_folder, train, validation, (print_epoch,))
    parameters = sum(array.size for array in captioner.model.params.values())
    print(
        f"the captioner has {parameters:,} parameters and knows {len(captioner.vocabulary)} words", flush=True
    )
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


def _new_config(args: argparse.Namespace) -> tuple[CaptionRunConfig, CaptionDataset]:
    """The settings of flags and --config, completed by those that suit the data set, and the data set."""
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
        raise InputError('say what to train on: a folder of captioned photos, or "sample"')
    if args.start:
        tables["data"]["start"] = args.start if args.start == SHIPPED else str(Path(args.start).resolve())
    if start := tables["data"].get("start"):
        source = load_start(start)
        tables["encoder"], tables["model"] = asdict(source.encoder.config), asdict(source.model.config)
        tables["data"].setdefault("max_words", source.max_words)
    config = CaptionRunConfig.from_tables(tables, "command line")
    dataset = open_dataset(config.data.path, config.data.outside)
    fitting = settings_for(dataset, bool(start))
    said = [
        f"{name} {value:g}"
        for table, values in fitting.items()
        for name, value in values.items()
        if name not in tables.setdefault(table, {})
    ]
    if said:
        print(f"settings that suit so few captions: {', '.join(said)} (flags and --config take precedence)")
    fitted = {table: fitting.get(table, {}) | values for table, values in tables.items()}
    return CaptionRunConfig.from_tables(fitted, "command line"), dataset


def _say_what_there_is(dataset: CaptionDataset) -> None:
    train = [image for image in dataset.images if image.split == "train"]
    captions = [caption for image in train for caption in image.captions]
    words = len({word for caption in captions for word in caption})
    print(
        f"{printable(dataset.name)}: {len(train)} photos, {len(captions)} captions, {words} words to train on"
    )
    for sentence in shortcomings(dataset):
        print(f"note: {sentence}")


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
