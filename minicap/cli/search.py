"""`minicap search SENTENCE PHOTO... --run RUN`: the photos that a sentence describes best."""

import argparse
import json
from itertools import islice

import numpy as np

from minicap.captioning.retrieval import Matcher
from minicap.cli.arguments import path, whole
from minicap.cli.photos import Photos
from minicap.metrics.captions import tokenize
from minicap.progress import printable

_AT_ONCE = 16  # photos that are encoded together


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sentence", metavar="SENTENCE", help="what the photo shows, in quotes")
    parser.add_argument(
        "photos",
        nargs="+",
        type=path,
        metavar="PHOTO",
        help="photos, or folders of photos (searched recursively)",
    )
    parser.add_argument(
        "--run", type=path, required=True, metavar="RUN", help="run folder or checkpoint of `train retrieval`"
    )
    parser.add_argument(
        "--top", type=whole(1, 10**6), default=5, metavar="K", help="photos to name (default: 5)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per photo")


def run(args: argparse.Namespace) -> int:
    """Returns 1 when some photos could not be used.  Raises InputError when none could."""
    matcher = Matcher.load(args.run)
    [sentence] = matcher.sentences([tokenize(args.sentence)])
    photos = Photos(args.photos, matcher.encoder.preprocess.read, "search")
    found: list[tuple[float, str]] = []  # similarity and photo
    read = iter(photos)
    while batch := list(islice(read, _AT_ONCE)):
        features = matcher.encoder.encode(np.stack([pixels for _, pixels in batch]), "pooled")
        similar = (matcher.images(features) @ sentence).tolist()
        found += zip(similar, (str(photo) for photo, _ in batch), strict=True)
    for similarity, photo in sorted(found, key=lambda pair: -pair[0])[: args.top]:
        if args.json:
            print(json.dumps({"photo": photo, "similarity": similarity}))
        else:
            print(f"{similarity:6.3f}  {printable(photo)}")
    return photos.exit_code()
