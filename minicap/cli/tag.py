"""`minicap tag PHOTO...`: the labels of every photo."""

import argparse
import json
from itertools import islice
from pathlib import Path

import numpy as np

from minicap.cli.arguments import path, whole
from minicap.cli.photos import Photos, require_drawable
from minicap.multilabel import Tag, Tagger
from minicap.multilabel.figures import tags_of_photos
from minicap.progress import printable

_AT_ONCE = 16  # photos that are encoded and decoded together
_MOST_DRAWN = 60  # photos on a figure


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "photos",
        nargs="+",
        type=path,
        metavar="PHOTO",
        help="photos, or folders of photos (searched recursively)",
    )
    parser.add_argument(
        "--run", type=path, metavar="RUN", help="run folder or checkpoint (default: the shipped one)"
    )
    parser.add_argument(
        "--beam", type=whole(1, 100), default=3, metavar="K", help="sets of labels followed (default: 3)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per photo")
    parser.add_argument(
        "--figure",
        type=path,
        metavar="FILE.png",
        help="draw the photos with their labels, and the stages of the encoder that a run with attention "
        "looked at",
    )


def run(args: argparse.Namespace) -> int:
    """Returns 1 when some photos could not be used.  Raises InputError when none could."""
    tagger = Tagger.load(args.run) if args.run else Tagger.shipped()
    photos = Photos(args.photos, tagger.encoder.preprocess.read, "tag")
    if args.figure:
        require_drawable(photos.paths, "--figure", args.figure, _MOST_DRAWN)
    drawn: list[tuple[Path, list[Tag]]] = []
    answers = iter(photos)
    while batch := list(islice(answers, _AT_ONCE)):
        features = tagger.encoder.encode(np.stack([pixels for _, pixels in batch]), tagger.reads)
        for (photo, _), tags in zip(batch, tagger.tags(features, args.beam), strict=True):
            named = [(tagger.labels[tag.label], tag.probability) for tag in tags]
            if args.json:
                labels = [{"label": label, "probability": p} for label, p in named]
                print(json.dumps({"photo": str(photo), "labels": labels}))
            else:
                said = ", ".join(f"{label} {p:.0%}" for label, p in named) or "nothing it knows"
                print(printable((f"{photo}: " if len(photos.paths) > 1 else "") + said))
            if args.figure:
                drawn.append((photo, tags))
    if drawn:
        from minicap.plots import save_figure

        files, tags_of = zip(*drawn, strict=True)
        save_figure(tags_of_photos(tagger, files, tags_of), args.figure)
    return photos.exit_code()
