"""`minicap classify PHOTO...`: the most probable classes, of ImageNet or of a classifier of your own."""

import argparse
import json

from minicap.classification import Classifier
from minicap.cli.arguments import path, whole
from minicap.cli.photos import Photos, require_drawable
from minicap.errors import InputError
from minicap.models.published import CLASSIFIERS, DEFAULT
from minicap.progress import printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photos",
        nargs="+",
        type=path,
        metavar="PHOTO",
        help="photos, or folders of photos (searched recursively)",
    )
    parser.add_argument(
        "--run", type=path, metavar="RUN", help="run folder or checkpoint (default: ImageNet's 1000 classes)"
    )
    parser.add_argument(
        "--top", type=whole(1, 1000), default=5, metavar="K", help="classes to print (default: 5)"
    )
    parser.add_argument(
        "--model",
        choices=CLASSIFIERS,
        metavar="NAME",
        help=f"a network of `minicap models` whose weights are here (default: {DEFAULT})",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per photo")
    parser.add_argument("--plot", type=path, metavar="FILE.png", help="draw the photo and its classes")


def run(args: argparse.Namespace) -> int:
    """Returns 1 when some photos could not be used.  Raises InputError when none could."""
    if args.run and args.model:
        raise InputError("give --run or --model, not both")
    classifier = Classifier.load(args.run) if args.run else Classifier.pretrained(args.model or DEFAULT)
    photos = Photos(args.photos, classifier.load_photo, "classify")
    if args.plot:
        require_drawable(photos.paths, "--plot", args.plot)
    for photo, image in photos:
        best = classifier.best(image, args.top)
        if args.json:
            classes = [{"class": classifier.classes[i], "index": i, "probability": p} for i, p in best]
            print(json.dumps({"photo": str(photo), "classes": classes}))
        else:
            print(printable(str(photo)))
            for i, p in best:
                print(f"  {p:6.1%}  {printable(classifier.classes[i])}")
        if args.plot:
            from minicap.plots import save_figure, top_classes

            names, shares = [classifier.classes[i] for i, _ in best], [p for _, p in best]
            save_figure(top_classes(image, names, shares), args.plot)
    return photos.exit_code()
