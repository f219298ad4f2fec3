"""`minicap eval RUN` of a classifier: right answers, class by class, and figures of the wrong ones."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from minicap.classification import Classifier, Evaluation, evaluate
from minicap.classification.run import ClassifierRunConfig, load_splits
from minicap.data import ArrayDataset
from minicap.errors import InputError, MissingExtra
from minicap.progress import printable
from minicap.training import run_folder_of

_MISTAKES, _COLUMNS = 30, 5  # photos on the sheet


def add_arguments(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--several-crops",
        action="store_true",
        help="average the scores of six views of a photo: moved by a pixel, and mirrored",
    )


def run(args: argparse.Namespace) -> int:
    classifier, split, found, folder = _evaluated(args)
    if args.json:
        print(_json(found))
        return 0
    title = f"{ClassifierRunConfig.read(folder / 'config.toml').data.name} {args.split}"
    print(f"{title}: {len(found.y)} photos, {len(found.classes)} classes")
    if classifier.origin:
        print(f"checkpoint: {printable(classifier.origin)}")
    _print(found)
    draw_answers(found, split, title, folder / "figures")
    return 0


def headlines(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The numbers of a run beside others'."""
    classifier, _, found, _ = _evaluated(args)
    top_5 = {"top 5": 100 * found.top_5} if len(found.classes) > 5 else {}
    return {"": {"accuracy": 100 * found.accuracy, **top_5, "parameters": classifier.parameters}}


def _evaluated(args: argparse.Namespace) -> tuple[Classifier, ArrayDataset, Evaluation, Path]:
    """The classifier of a run, the split of its data set, its answers there, and the run's folder."""
    classifier = Classifier.load(args.run)
    folder = run_folder_of(args.run)
    if folder is None:
        raise InputError(
            f"{args.run} lies in no run folder, whose config.toml names the data set to score on"
        )
    settings = ClassifierRunConfig.read(folder / "config.toml")
    config = settings.data
    splits = load_splits(replace(config, path=str(args.data)) if args.data else config, settings.photos)
    if args.split not in splits:
        raise InputError(
            f"{config.name} has no labelled split {args.split!r}; --split may be {', '.join(splits)}"
        )
    found = evaluate(classifier, splits[args.split], args.several_crops)
    return classifier, splits[args.split], found, folder


def _json(found: Evaluation) -> str:
    return json.dumps(
        {
            "accuracy": found.accuracy,
            "top_5": found.top_5,
            "classes": [scores._asdict() for scores in found.by_class],
            "confusion": found.confusion.tolist(),
        }
    )


def _print(found: Evaluation) -> None:
    top_5 = f"   top 5 {found.top_5:.2%}" if len(found.classes) > 5 else ""
    print(f"accuracy {found.accuracy:.2%}{top_5}\n")
    width = max(len("class"), *(len(printable(name)) for name in found.classes))
    print(f"{'class':{width}}  photos  recall  precision")
    for name, photos, recall, precision in found.by_class:
        print(f"{printable(name):{width}}  {photos:6}  {recall:6.1%}  {precision:9.1%}")


def draw_answers(found: Evaluation, dataset: ArrayDataset, title: str, folder: Path) -> None:
    """The confusion matrix and the surest mistakes, if matplotlib is installed; a line saying so if not."""
    from minicap.plots import confusion_table, image_grid, save_figure

    names, mistakes = found.classes, found.mistakes(_MISTAKES)
    photos = [_photo(dataset.x[i]) for i, _, _ in mistakes]
    labels = [f"{names[found.y[i]]}, not {names[said]} ({sure:.0%})" for i, said, sure in mistakes]
    try:
        table = confusion_table(found.confusion, names, f"{title}: {found.accuracy:.2%} right")
        drawn = {"confusion": table}
        if mistakes:
            drawn["mistakes"] = image_grid(photos, labels, _COLUMNS, f"{title}: surest mistakes")
    except MissingExtra as missing:
        print(f"(no figures: {missing})")
        return
    split = title.rpartition(" ")[2]
    for name, figure in drawn.items():
        save_figure(figure, folder / f"{name}-{split}.png")
    print(f"\nfigures in {printable(str(folder))}: {', '.join(f'{name}-{split}.png' for name in drawn)}")


def _photo(image: np.ndarray) -> np.ndarray:
    """(C, H, W) as (H, W, 3)."""
    return np.broadcast_to(image.transpose(1, 2, 0), (*image.shape[1:], 3))
