"""`minicap classify PHOTO...`: the most probable ImageNet classes."""

import argparse
import json
from pathlib import Path

import numpy as np

from minicap.arrays import to_device, to_host
from minicap.cli.arguments import path, whole
from minicap.cli.photos import Photos
from minicap.errors import InputError
from minicap.layers import softmax_forward
from minicap.models import SqueezeNet, imagenet_classes
from minicap.progress import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photos", nargs="+", type=path, metavar="PHOTO", help="photos, or folders of photos to any depth"
    )
    parser.add_argument(
        "--top", type=whole(1, 1000), default=5, metavar="K", help="classes to print (default: 5)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per photo")
    parser.add_argument("--plot", type=path, metavar="FILE.png", help="draw the photo and its classes")


def run(args: argparse.Namespace) -> int:
    """Returns 1 when some photos could not be used.  Raises InputError when none could."""
    names, model = imagenet_classes(), SqueezeNet.pretrained()
    photos = Photos(args.photos, model.preprocess.load, "classify")
    if args.plot:
        _require_one(photos.paths, args.plot)
    for photo, image in photos:
        scores = model(to_device(model.preprocess.of_photo(image)[None]))
        probabilities = to_host(softmax_forward(scores)[0])[0]
        best = np.argsort(-probabilities)[: args.top]
        if args.json:
            classes = [
                {"class": names[i], "index": int(i), "probability": float(probabilities[i])} for i in best
            ]
            print(json.dumps({"photo": str(photo), "classes": classes}))
        else:
            print(printable(str(photo)))
            for i in best:
                print(f"  {probabilities[i]:6.1%}  {names[i]}")
        if args.plot:
            from minicap.plots import save_figure, top_classes

            shares = [float(probabilities[i]) for i in best]
            save_figure(top_classes(image, [names[i] for i in best], shares), args.plot)
    return photos.exit_code()


def _require_one(photos: list[Path], plot: Path) -> None:
    from minicap.plots.figure import figure_format

    figure_format(plot)
    if len(photos) > 1:
        raise InputError("--plot takes one photo at a time")
