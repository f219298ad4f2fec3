"""`minicap look RUN PHOTO`: figures of what a classifier looks for, and of what it sees in a photo."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minicap.arrays import to_device, to_host
from minicap.classification import Classifier, evaluate
from minicap.classification.run import ClassifierRunConfig, load_splits
from minicap.cli.arguments import path, whole
from minicap.cli.eval_classifier import draw_answers
from minicap.errors import InputError, MinicapError
from minicap.formats import nearest
from minicap.models import OnFeatures
from minicap.models.published import CLASSIFIERS
from minicap.nn import Affine, Conv2d, Module
from minicap.nn.attribution import (
    activations,
    find_layer,
    grad_cam,
    last_grid,
    layers_in_order,
    occlusion,
    saliency,
)
from minicap.plots import activation_grid, attribution_sheet, filter_grid, save_figure
from minicap.plots.figure import require_matplotlib
from minicap.progress import printable
from minicap.training import run_folder_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_MAPS = 64  # filters or channels on a figure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = f"{parser.prog} [options] RUN PHOTO\n       {parser.prog} [options] --model NAME PHOTO"
    parser.add_argument(
        "paths",
        nargs="+",
        type=path,
        metavar="[RUN] PHOTO",
        help="run folder or checkpoint of a classifier, and a photo; with --model only the photo",
    )
    parser.add_argument(
        "--model",
        choices=CLASSIFIERS,
        metavar="NAME",
        help="in place of RUN: a network of `minicap models` whose weights are here",
    )
    parser.add_argument(
        "--top", type=whole(1, 20), default=3, metavar="K", help="classes to look for (default: 3)"
    )
    parser.add_argument("--class", dest="named", metavar="NAME", help="look for this class instead")
    parser.add_argument(
        "--layer", metavar="NAME", help="layer for Grad-CAM and for activations (default: the last grid)"
    )
    parser.add_argument(
        "--out", type=path, metavar="DIR", help="folder for the figures (default: look-PHOTO, in the run)"
    )


def run(args: argparse.Namespace) -> int:
    require_matplotlib()
    source, photo = _source_and_photo(args.paths, args.model)
    classifier = Classifier.load(source) if source else Classifier.pretrained(args.model)
    image = classifier.load_photo(photo)
    run_folder = run_folder_of(source) if source else None
    folder = args.out or (run_folder / "figures" if run_folder else Path()) / f"look-{photo.stem}"
    for name, figure in _figures(classifier, image, args):
        _make(folder)
        save_figure(figure, folder / f"{name}.png")
        print(f"{printable(str(folder / name))}.png", flush=True)
    if run_folder:
        _draw_answers(classifier, run_folder)
    return 0


def _source_and_photo(paths: list[Path], model: str | None) -> tuple[Path | None, Path]:
    if model and len(paths) == 1:
        return None, paths[0]
    if not model and len(paths) == 2:
        return paths[0], paths[1]
    raise InputError("write minicap look RUN PHOTO, or minicap look --model NAME PHOTO")


def _figures(
    classifier: Classifier, image: np.ndarray, args: argparse.Namespace
) -> Iterator[tuple[str, "Figure"]]:
    """The names and figures of one photo, each as soon as it is drawn."""
    net, x = classifier.model.net, to_device(classifier.prepared(image)[None])
    probabilities = classifier.probabilities(image)
    if args.named:
        classes = [_index_of(args.named, classifier.classes)]
    else:
        classes = [index for index, _ in classifier.best(image, args.top)]
    labels = [f"{classifier.classes[i]} {probabilities[i]:.1%}" for i in classes]
    print(printable(", ".join(labels)))
    seen = classifier.preprocess.seen(image)
    if isinstance(net, OnFeatures):
        if args.layer:
            raise InputError("a classifier on features has no layers to look into; leave out --layer")
        print("(no saliency and no Grad-CAM on features; the share a class loses where the photo is hidden)")
        yield "classes", attribution_sheet(seen, labels, occlusions=list(to_host(occlusion(net, x, classes))))
        return

    found = to_host(saliency(net, x, classes))
    layer = find_layer(net, args.layer) if args.layer else _last_grid(net, x)
    cams = to_host(grad_cam(net, x, classes, layer)) if layer else ()
    if layer:
        print(f"Grad-CAM at {layer}")
    yield "classes", attribution_sheet(seen, labels, list(found), list(cams))
    if (filters := _filters(classifier, net)) is not None:
        yield "filters", filter_grid(filters[:_MOST_MAPS], "first layer")
    for name, maps in activations(net, x):
        if maps.ndim == 4 and name in (_first_nonlinearity(net), layer if args.layer else ""):
            maps = to_host(maps[0, :_MOST_MAPS])
            yield f"activations-{name}", activation_grid(maps, name)


def _index_of(name: str, classes: tuple[str, ...]) -> int:
    if name not in classes:
        raise InputError(f"there is no class {name!r}{nearest(name, classes)}")
    return classes.index(name)


def _last_grid(net: Module, x: np.ndarray) -> str:
    try:
        return last_grid(net, x)
    except InputError as error:
        print(f"(no Grad-CAM: {error})")
        return ""


def _filters(classifier: Classifier, net: Module) -> np.ndarray | None:
    """The first layer's weights as images (F, C, HH, WW) in the order RGB; None where they are none."""
    first = next(iter(layers_in_order(net).values()))
    channels, size = classifier.channels, classifier.preprocess.size
    if isinstance(first, Conv2d):
        w = to_host(first["w"])
    elif isinstance(first, Affine):
        w = to_host(first["w"]).T.reshape(-1, channels, size, size)
    else:
        return None
    return w[:, ::-1] if classifier.preprocess.channels == "BGR" else w


def _first_nonlinearity(net: Module) -> str:
    """The first layer without parameters, which is the nonlinearity after the first that has some."""
    return next((name for name, layer in layers_in_order(net).items() if not list(layer.shapes)), "")


def _draw_answers(classifier: Classifier, run_folder: Path) -> None:
    """The confusion matrix and the surest mistakes on the run's data set, where that is still there."""
    try:
        settings = ClassifierRunConfig.read(run_folder / "config.toml")
        config = settings.data
        splits = load_splits(config, settings.photos)
    except MinicapError as error:
        print(f"(no confusion table: {printable(str(error))})")
        return
    split = next(name for name in ("test", "val", "train") if name in splits)
    found = evaluate(classifier, splits[split])
    draw_answers(found, splits[split], f"{config.name} {split}", run_folder / "figures")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror or error}") from None
