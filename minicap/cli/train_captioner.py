"""`minicap train captioner DATA --run RUN`."""

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from minicap.captioning import Captioner, make_encoder
from minicap.captioning.run import (
    SHIPPED,
    CaptionRunConfig,
    evaluate,
    load_splits,
    load_start,
    make_trainer,
    open_trainer,
    settings_for,
    settings_for_rewards,
)
from minicap.captioning.samples import SampleCaptions
from minicap.cli.arguments import absolute, named_or_path
from minicap.cli.fitting import fit, print_epoch
from minicap.cli.scores import print_scores
from minicap.cli.settings import Tables, given_tables
from minicap.data import SAMPLE, CaptionDataset, open_dataset
from minicap.data.captioned import shortcomings
from minicap.errors import InputError
from minicap.progress import printable
from minicap.training import RunFolder

CONFIG, OPEN_TRAINER = CaptionRunConfig, open_trainer
DONE = "Caption a photo of your own: minicap caption PHOTO --run {run}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "data",
        nargs="?",
        type=named_or_path(SAMPLE),
        metavar="DATA",
        help='folder of captioned photos (docs/data.md), or "sample"',
    )
    parser.add_argument(
        "--from",
        dest="start",
        type=named_or_path(SHIPPED),
        metavar="RUN",
        help='train a captioner further: a run folder, a checkpoint, or "shipped" for the one in the package',
    )


def new(args: argparse.Namespace) -> tuple[CaptionRunConfig, CaptionDataset]:
    """The settings of flags and --config, completed by those that suit the data set, and the data set."""
    tables = given_tables(CONFIG, args)
    if args.data:
        tables["data"]["path"] = args.data
    if args.start:
        tables["data"]["start"] = args.start
    tables, dataset = completed(tables)
    return CONFIG.from_tables(tables, "command line"), dataset


def completed(tables: Tables) -> tuple[Tables, CaptionDataset]:
    """The tables of a new run with settings that suit its data set, and the data set."""
    if "path" not in tables["data"]:
        raise InputError('say what to train on: a folder of captioned photos, or "sample"')
    tables = {name: dict(table) for name, table in tables.items()}
    tables["data"]["path"] = absolute(tables["data"]["path"], SAMPLE)
    if vectors := tables["data"].get("word_vectors"):
        tables["data"]["word_vectors"] = absolute(vectors)
    if start := absolute(tables["data"].get("start", ""), SHIPPED):
        source = load_start(start)
        of_source = {"encoder": asdict(source.encoder.config), "model": asdict(source.model.config)}
        _require_the_same(tables, of_source, start)
        tables |= of_source
        tables["data"]["start"] = start
        tables["data"].setdefault("max_words", source.max_words)
    config = CONFIG.from_tables(tables, "command line")
    dataset = open_data(config)
    fitting = {"so few captions": settings_for(dataset, bool(start))}
    if config.reinforcement.on:
        fitting = {"learning from scores": settings_for_rewards()} | fitting
    for reason, settings in fitting.items():
        said = []
        for table, values in settings.items():
            for name, value in values.items():
                if name not in tables.setdefault(table, {}):
                    tables[table][name] = value
                    said.append(f"{name} {value if isinstance(value, str) else f'{value:g}'}")
        if said:
            print(f"settings chosen for {reason}: {', '.join(said)} (flags and --config take precedence)")
    return tables, dataset


def prepare(configs: Sequence[CaptionRunConfig]) -> None:
    """Extract the features that runs of a sweep share, before several of them do it at once."""
    for config in {(c.data.path, c.encoder, c.reads): c for c in configs}.values():
        load_splits(config)


def _require_the_same(tables: Tables, of_source: Tables, start: str) -> None:
    """Raise InputError for a setting that contradicts the captioner that training continues from."""
    asked = CONFIG.from_tables(tables, "command line")  # whose values are of the same types
    for table, settings in of_source.items():
        for name in tables[table]:
            value, its = getattr(getattr(asked, table), name), settings.get(name, "no such setting")
            if value != its:
                flag = table if name == "name" else name.replace("_", "-")
                raise InputError(f"--{flag} {value}: the captioner of --from {start} has {its}; leave it out")


def open_data(config: CaptionRunConfig) -> CaptionDataset:
    """The data set, after printing what is in it."""
    return open_captioned(config.encoder, config.data.path, config.data.outside)


def open_captioned(encoder: Any, path: str, outside: bool) -> CaptionDataset:
    """A set of captioned photos, after printing what is in it.  encoder: the settings of what reads them."""
    make_encoder(encoder)  # missing weights are reported before there is a run
    dataset = open_dataset(path, outside)
    train = [image for image in dataset.images if image.split == "train"]
    captions = [caption for image in train for caption in image.captions]
    words = len({word for caption in captions for word in caption})
    print(
        f"{printable(dataset.name)}: {len(train)} photos, {len(captions)} captions, {words} words to train on"
    )
    for sentence in shortcomings(dataset):
        print(f"note: {sentence}")
    return dataset


def train(config: CaptionRunConfig, run_folder: RunFolder, dataset: CaptionDataset) -> None:
    """Start the run, or go on with it."""
    train, validation = load_splits(config, dataset)
    captioner, trainer = make_trainer(config, run_folder, train, validation, (print_epoch,))
    if validation:
        trainer.callbacks = [*trainer.callbacks, SampleCaptions(captioner, validation, run_folder)]
    words = len(captioner.vocabulary)
    print(f"the captioner has {captioner.parameters:,} parameters and knows {words} words", flush=True)
    if "words_with_vectors" in trainer.about:
        known = trainer.about["words_with_vectors"]
        print(f"{known} of the {words} start from {config.data.word_vectors}", flush=True)
    weighed = ", weighted by advantage" if config.reinforcement.on else ""
    fit(trainer, run_folder, config, unit=f"cross-entropy per word (nats){weighed}")
    if validation:
        scores, _ = evaluate(Captioner.load(run_folder.path), validation, beam=1)
        print_scores({"validation, greedy": scores})
