"""`minicap eval RUN` of a tagger: precision, recall and F1, by photo, by label, by the number of labels."""

import argparse
import json
from pathlib import Path

import numpy as np

from minicap.cli.arguments import absolute
from minicap.data import SAMPLE, TaggedDataset, open_tagged
from minicap.errors import InputError, MissingExtra
from minicap.multilabel import TagEvaluation, Tagger, evaluate
from minicap.multilabel.evaluation import Average
from minicap.multilabel.figures import tags_of_photos
from minicap.multilabel.run import TagRunConfig, TagSplit, load_split
from minicap.progress import printable
from minicap.training import run_folder_of

FLAGS = ("beam", "outside")  # of `minicap eval` that are used here
_DRAWN = 6  # photos of the best F1 in the figure, and of the worst
_AVERAGES: dict[Average, str] = {"samples": "per photo", "classes": "per label", "overall": "overall"}


def run(args: argparse.Namespace) -> int:
    tagger, dataset, split = _opened(args)
    beams = _beams(tagger, args)
    found = {beam: evaluate(tagger, split.features, split.labels, beam) for beam in beams}
    if args.json:
        print(json.dumps({f"beam {beam}": _values(scores) for beam, scores in found.items()}))
        return 0
    known = sum(label in tagger.labels for label in dataset.labels)
    print(
        f"{printable(dataset.name)} {args.split}: {len(split.paths)} photos, {known} labels known to the run"
    )
    if tagger.origin:
        print(f"checkpoint: {printable(tagger.origin)}")
    for beam, scores in found.items():
        _print_averages(scores, f"beam {beam}" if len(found) > 1 else "")
    _print_labels(found[beams[0]])
    if folder := run_folder_of(args.run):
        title = f"{dataset.name} {args.split}"
        _draw(tagger, split, found[beams[0]], beams[0], title, folder / "figures")
    return 0


def headlines(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """The numbers of a run beside others': the averages per photo, and the mean average precision."""
    tagger, _, split = _opened(args)
    rows = {}
    for beam in _beams(tagger, args):
        found = evaluate(tagger, split.features, split.labels, beam)
        per_photo = {head: 100 * value for head, value in found.scores("samples").items()}
        beside = {"mAP": 100 * found.mean_average_precision, "parameters": tagger.parameters}
        rows[f"beam {beam}" if tagger.model.sequential else ""] = per_photo | beside
    return rows


def _beams(tagger: Tagger, args: argparse.Namespace) -> list[int]:
    """The beam sizes to score; a model that gives all labels at once has no beam and is scored once."""
    beams = args.beam or [3]
    return beams if tagger.model.sequential else beams[:1]


def _opened(args: argparse.Namespace) -> tuple[Tagger, TaggedDataset, TagSplit]:
    """The tagger of a run, and the data set and the split to score it on."""
    tagger = Tagger.load(args.run)
    data, outside = (args.data, False) if args.data else _trained_on(args)
    dataset = open_tagged(absolute(str(data), SAMPLE), outside or args.outside)
    if not set(dataset.labels) & set(tagger.labels):
        raise InputError(f"{dataset.name} and {args.run} have no label in common")
    split = load_split(dataset, args.split, tagger.encoder, tagger.reads)
    return tagger, dataset, split


def _values(found: TagEvaluation) -> dict[str, object]:
    """All numbers, as JSON values."""
    averages = {said: found.scores(average) for average, said in _AVERAGES.items()}
    areas = [None if np.isnan(area) else float(area) for area in found.average_precisions]
    labels = zip(found.labels, *(scores.tolist() for scores in found.by_label), areas, strict=True)
    keys = ("precision", "recall", "f1", "average precision")
    return {
        "averages": averages,
        "mean average precision": found.mean_average_precision,
        "labels": {name: dict(zip(keys, values, strict=True)) for name, *values in labels},
        "number of labels": {n: {"photos": count, "f1": f} for n, (count, f) in found.by_number.items()},
        "together": found.together.tolist(),
    }


def _print_averages(found: TagEvaluation, title: str) -> None:
    print(f"\n{title:10} precision  recall      F1")
    for average, said in _AVERAGES.items():
        p, r, f = found.scores(average).values()
        print(f"{said:10} {p:9.1%}  {r:6.1%}  {f:6.1%}")
    print(f"mean average precision  {found.mean_average_precision:6.1%}")


def _print_labels(found: TagEvaluation) -> None:
    width = max(len("label"), *(len(printable(name)) for name in found.labels))
    print(f"\n{'label':{width}}  photos  precision  recall      F1  average precision")
    photos = found.there.sum(axis=0).astype(int)
    rows = zip(found.labels, photos, *found.by_label, found.average_precisions, strict=True)
    for name, count, p, r, f, area in rows:
        shown = "" if np.isnan(area) else f"  {area:17.1%}"
        print(f"{printable(name):{width}}  {count:6}  {p:9.1%}  {r:6.1%}  {f:6.1%}{shown}")
    print("\nlabels of a photo  photos      F1")
    for number, (count, f) in found.by_number.items():
        print(f"{number:17}  {count:6}  {f:6.1%}")


def _draw(tagger: Tagger, split: TagSplit, found: TagEvaluation, beam: int, title: str, folder: Path) -> None:
    """The best and the worst photos, and which labels come together, if matplotlib is installed.

    Labels that the tagger does not know are left out, as in its scores.
    """
    from minicap.plots import confusion_table, save_figure

    chosen = found.best_and_worst(_DRAWN)
    if not chosen:
        return
    names, counts = found.labels, found.together
    try:
        sheet = tags_of_photos(
            tagger,
            [split.paths[i] for i in chosen],
            tagger.tags(split.features[chosen], beam),
            [[label for label in split.labels[i] if label in tagger.labels] for i in chosen],
            title=f"{title}: {len(chosen) // 2} photos of the best F1, then of the worst",
        )
        together = confusion_table(counts, names, f"{title}: labels together", "has", "is given")
    except MissingExtra as missing:
        print(f"(no figure: {missing})")
        return
    for name, figure in {"tags": sheet, "together": together}.items():
        save_figure(figure, folder / f"{name}-{split.name}.png")
    files = f"tags-{split.name}.png, together-{split.name}.png"
    print(f"\nfigures in {printable(str(folder))}: {files}")


def _trained_on(args: argparse.Namespace) -> tuple[str, bool]:
    """The data set of a run, and whether its photos may lie outside its folder."""
    folder = run_folder_of(args.run)
    if folder is None:
        raise InputError("name the data set to score on: --data DATA")
    settings = TagRunConfig.read(folder / "config.toml").data
    return settings.path, settings.outside
