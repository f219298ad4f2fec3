"""`minicap eval RUN` of a captioner: its scores on a split, beside simple baselines."""

import argparse
import json
import os
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from minicap.captioning import Captioner
from minicap.captioning.baselines import (
    from_labels,
    labels_of,
    most_frequent,
    nearest_neighbour,
    random_captions,
)
from minicap.captioning.run import CaptionRunConfig
from minicap.captioning.splits import Split, load_split
from minicap.cli.arguments import path, whole
from minicap.cli.decoding import FLAGS as DECODING_FLAGS
from minicap.cli.decoding import add_decoding_arguments, decoding_options
from minicap.cli.scores import by_head, diversity, print_scores
from minicap.data import CaptionDataset, open_dataset
from minicap.decoding import Decoding
from minicap.errors import InputError
from minicap.formats import atomic_write_text
from minicap.metrics.captions import (
    Scores,
    meteor,
    require_meteor,
    require_spice,
    score,
    spice,
    tokenize,
    vocabulary_used,
)
from minicap.progress import printable
from minicap.training import run_folder_of

# A flag that is not given has no value.
FLAGS = ("beam", *DECODING_FLAGS, "seed", "outside", "baselines", "captions", "meteor", "spice")


def add_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--beam", type=whole(1, 100), nargs="+", metavar="K", help="beam sizes (default: 1 3)")
    add_decoding_arguments(group)
    group.add_argument("--seed", type=whole(0, 2**63 - 1), help="seed of the random draws (default: 0)")
    group.add_argument("--outside", action="store_true", help="allow the data set photos outside its folder")
    group.add_argument(
        "--baselines", action="store_true", help="also score simple baselines that have no model"
    )
    group.add_argument("--meteor", action="store_true", help="also METEOR (needs pycocoevalcap and Java)")
    group.add_argument("--spice", action="store_true", help="also SPICE (needs pycocoevalcap and Java)")
    group.add_argument(
        "--captions",
        type=path,
        metavar="FILE.json",
        help="write the captions of the first row there, as COCO results (default: every row's into the run)",
    )


def run(args: argparse.Namespace) -> int:
    ways = _ways(args)
    for asked, require in ((args.meteor, require_meteor), (args.spice, require_spice)):
        if asked:
            require()
    captioner, dataset, split = _opened(args)
    encoder, reads = captioner.encoder, captioner.model.reads
    said = {
        name: captioner.captions(split.features, rng=args.seed or 0, **options)
        for name, options in ways.items()
    }
    _write(args, split, said)
    if args.baselines:
        train = load_split(dataset, "train", encoder, reads)
        count = len(split.paths)
        said |= {
            "nearest photo": nearest_neighbour(_rows(train), train.tokens, _rows(split)),
            "most frequent": most_frequent(train.tokens, count),
            "random": random_captions(train.tokens, count),
        }
        if labels := labels_of(dataset, args.split):
            said["labels by name"] = from_labels(labels)
    training = [text for image in dataset.images if image.split == "train" for text in image.raw]
    rows = {name: score(captions, split.raw) for name, captions in said.items()}
    beside = {
        name: _by_java(args, captions, split) | diversity(captions, training)
        for name, captions in said.items()
    }
    if args.json:
        print(json.dumps({name: {**scores, **beside[name]} for name, scores in rows.items()}))
    else:
        _print(printable(dataset.name), split, captioner, rows, beside)
    return 0


def headlines(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The numbers of a run beside others', for every way of decoding."""
    captioner, _, split = _opened(args)
    found = {}
    for name, options in _ways(args).items():
        started = perf_counter()
        captions = captioner.captions(split.features, rng=args.seed or 0, **options)
        speed = {"captions/s": round(len(captions) / (perf_counter() - started))}
        percent = {head: 100 * value for head, value in by_head(score(captions, split.raw)).items()}
        beside = {"words": vocabulary_used(captions), "parameters": captioner.parameters}
        found[name] = percent | beside | speed
    return found


def _opened(args: argparse.Namespace) -> tuple[Captioner, CaptionDataset, Split]:
    """The captioner of a run, and the data set and the split to score it on."""
    captioner = Captioner.load(args.run) if args.run else Captioner.shipped()
    data, outside = (args.data, False) if args.data else _trained_on(args.run)
    dataset = open_dataset(data, outside or args.outside)
    return captioner, dataset, load_split(dataset, args.split, captioner.encoder, captioner.model.reads)


def _ways(args: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The ways of decoding that the flags ask for, by the names of their rows.

    Raises InputError for flags that contradict each other.
    """
    given = decoding_options(args)
    one = given.get("temperature") or "groups" in given
    every = args.beam or ([None] if one else [1, 3])
    ways: list[dict[str, Any]] = [{"beam": beam, **given} for beam in every]
    return {Decoding(**options).name: options for options in ways}


def _write(args: argparse.Namespace, split: Split, said: dict[str, list[str]]) -> None:
    """Captions as the COCO caption evaluation reads results: into --captions, or else into the run."""
    run_folder = run_folder_of(args.run) if args.run else None
    results = {
        name: [{"image_id": i, "caption": c} for i, c in zip(split.ids, captions, strict=True)]
        for name, captions in said.items()
    }
    if args.captions:
        atomic_write_text(args.captions, json.dumps(next(iter(results.values())), indent=1))
    elif run_folder and os.access(run_folder, os.W_OK):
        folder = run_folder / "captions"
        folder.mkdir(exist_ok=True)
        for name, rows in results.items():
            how = "-".join(name.replace(",", "").split())
            atomic_write_text(folder / f"{split.name}-{how}.json", json.dumps(rows, indent=1))


def _by_java(args: argparse.Namespace, captions: list[str], split: Split) -> dict[str, float]:
    """METEOR and SPICE, where they are asked for."""
    asked = ({"METEOR": meteor} if args.meteor else {}) | ({"SPICE": spice} if args.spice else {})
    candidates = [tokenize(caption) for caption in captions]
    references = [[tokenize(text) for text in refs] for refs in split.raw]
    return {name: metric(candidates, references)[0] for name, metric in asked.items()}


def _print(
    dataset: str,
    split: Split,
    captioner: Captioner,
    rows: dict[str, Scores],
    beside: dict[str, dict[str, float]],
) -> None:
    """The table, and above it what must be known to compare it with another."""
    counts = sorted({len(refs) for refs in split.raw})
    references = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    print(f"{dataset} {split.name}: {len(split.paths)} photos, {references} references per photo")
    print("words as the COCO caption evaluation cuts them: Penn Treebank, without punctuation")
    if captioner.origin:
        print(f"checkpoint: {printable(captioner.origin)}")
    print_scores(rows, beside)


def _rows(split: Split) -> np.ndarray:
    """One row of features per photo; the places of a grid are averaged."""
    return split.features if split.features.ndim == 2 else split.features.mean(axis=1)


def _trained_on(run: Path | None) -> tuple[str, bool]:
    """The data set of a run, and whether its photos may lie outside its folder."""
    folder = run_folder_of(run) if run else None
    if folder is None:
        raise InputError("name the data set to score on: --data DATA")
    settings = CaptionRunConfig.read(folder / "config.toml").data
    return settings.path, settings.outside
