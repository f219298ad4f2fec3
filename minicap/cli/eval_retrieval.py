"""`minicap eval RUN` of a ranking model: how well photos and sentences find each other."""

import argparse
import json
from pathlib import Path

from minicap.captioning.baselines import nearest_neighbour
from minicap.captioning.retrieval import Matcher
from minicap.captioning.retrieval.run import RetrievalRunConfig, evaluate, transferred
from minicap.captioning.splits import Split, load_split
from minicap.cli.scores import print_scores
from minicap.data import CaptionDataset, open_dataset
from minicap.errors import InputError
from minicap.metrics.captions import score
from minicap.progress import printable
from minicap.training import run_folder_of


def run(args: argparse.Namespace) -> int:
    matcher, dataset, split = _opened(args)
    found = evaluate(matcher, split)
    captions = {}
    if dataset.counts()["train"]:
        train = load_split(dataset, "train", matcher.encoder, "pooled")
        captions = {
            "nearest sentence": score(transferred(matcher, train, split), split.raw),
            "nearest photo": score(
                nearest_neighbour(train.features, train.tokens, split.features), split.raw
            ),
        }
    if args.json:
        print(json.dumps({"retrieval": found, **captions}))
        return 0
    sentences = sum(map(len, split.tokens))
    print(f"{printable(dataset.name)} {split.name}: {len(split.paths)} photos, {sentences} sentences")
    if matcher.origin:
        print(f"checkpoint: {printable(matcher.origin)}")
    print(f"{'':16}     R@1    R@5   R@10   (x100)   median rank")
    for name, wanted in (("finds sentences", "sentence"), ("finds photos", "image")):
        recalls = "  ".join(f"{100 * found[f'{wanted}_r{k}']:5.1f}" for k in (1, 5, 10))
        print(f"{name:16}   {recalls}            {found[f'{wanted}_median_rank']:11g}")
    if captions:
        print("\ncaptions taken over from the training set:")
        print_scores(captions)
    return 0


def headlines(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The numbers of a run beside others': recall x 100 and median rank, both ways."""
    matcher, _, split = _opened(args)
    found = evaluate(matcher, split)
    numbers = {name.replace("_", " "): v if name.endswith("rank") else 100 * v for name, v in found.items()}
    return {"": numbers | {"parameters": matcher.parameters}}


def _opened(args: argparse.Namespace) -> tuple[Matcher, CaptionDataset, Split]:
    """The ranking model of a run, and the data set and the split to score it on."""
    matcher = Matcher.load(args.run)
    data, outside = (args.data, False) if args.data else _trained_on(args.run)
    dataset = open_dataset(data, outside or args.outside)
    return matcher, dataset, load_split(dataset, args.split, matcher.encoder, "pooled")


def _trained_on(run: Path) -> tuple[str, bool]:
    """The data set of a run, and whether its photos may lie outside its folder."""
    folder = run_folder_of(run)
    if folder is None:
        raise InputError("name the data set to score on: --data DATA")
    settings = RetrievalRunConfig.read(folder / "config.toml").data
    return settings.path, settings.outside
