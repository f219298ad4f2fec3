"""`minicap eval RUN` of a captioner: its scores on a split, beside simple baselines."""

import argparse
import json
from pathlib import Path

import numpy as np

from minicap.captioning import Captioner
from minicap.captioning.baselines import most_frequent, nearest_neighbour, random_captions
from minicap.captioning.run import CaptionRunConfig, Split, evaluate, load_split
from minicap.cli.arguments import number, path, whole
from minicap.cli.scores import print_scores
from minicap.data import open_dataset
from minicap.errors import InputError
from minicap.formats import atomic_write_text
from minicap.metrics.captions import Scores, score
from minicap.progress import printable
from minicap.training import run_folder_of

# None of them has a value unless it is given.
FLAGS = ("beam", "length_power", "outside", "baselines", "captions")


def add_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--beam", type=whole(1, 100), nargs="+", metavar="K", help="beam sizes (default: 1 3)")
    group.add_argument("--length-power", type=number(-10, 10), help="length normalisation (default: 0.7)")
    group.add_argument("--outside", action="store_true", help="allow the data set photos outside its folder")
    group.add_argument(
        "--baselines", action="store_true", help="also score three baselines that have no model"
    )
    group.add_argument(
        "--captions", type=path, metavar="FILE.json", help="write the first beam size's captions"
    )


def run(args: argparse.Namespace) -> int:
    captioner = Captioner.load(args.run) if args.run else Captioner.shipped()
    data, outside = (args.data, False) if args.data else _trained_on(args.run)
    dataset = open_dataset(data, outside or args.outside)
    encoder, reads = captioner.encoder, captioner.model.reads
    split = load_split(dataset, args.split, encoder, reads)
    rows: dict[str, Scores] = {}
    beams = [1, 3] if args.beam is None else args.beam
    length_power = 0.7 if args.length_power is None else args.length_power
    for beam in beams:
        name = "greedy" if beam == 1 else f"beam {beam}"
        rows[name], captions = evaluate(captioner, split, beam=beam, length_power=length_power)
        if args.captions and beam == beams[0]:
            results = [{"image": p.name, "caption": c} for p, c in zip(split.paths, captions, strict=True)]
            atomic_write_text(args.captions, json.dumps(results, indent=1))
    if args.baselines:
        train = load_split(dataset, "train", encoder, reads)
        count = len(split.paths)
        for name, found in {
            "nearest photo": nearest_neighbour(_rows(train), train.tokens, _rows(split)),
            "most frequent": most_frequent(train.tokens, count),
            "random": random_captions(train.tokens, count),
        }.items():
            rows[name] = score(found, split.raw)
    if args.json:
        print(json.dumps(rows))
    else:
        references = sum(map(len, split.raw)) / len(split.raw)
        name = printable(dataset.name)
        print(f"{name} {args.split}: {len(split.paths)} photos, {references:g} references per photo")
        if captioner.origin:
            print(f"checkpoint: {printable(captioner.origin)}")
        print_scores(rows)
    return 0


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
