"""`minicap caption PHOTO...`: a sentence for every photo."""

import argparse
import json
from math import exp
from pathlib import Path

import numpy as np

from minicap.captioning import Captioner
from minicap.data.images import load_image
from minicap.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("photos", nargs="+", type=Path, metavar="PHOTO")
    parser.add_argument(
        "--run", type=Path, metavar="RUN", help="run folder or checkpoint (default: the shipped one)"
    )
    parser.add_argument("--beam", type=int, default=3, metavar="K", help="beam size (default: 3)")
    parser.add_argument("--temperature", type=float, default=0.0, help="draw the words at random, e.g. 0.7")
    parser.add_argument("--seed", type=int, default=0, help="of the random draws (default: 0)")
    parser.add_argument("--all", action="store_true", help="print every caption of the beam")
    parser.add_argument("--json", action="store_true", help="print one JSON object a photo")


def run(args: argparse.Namespace) -> int:
    if args.temperature < 0:
        raise InputError(f"--temperature is {args.temperature} but must not be negative")
    if args.beam < 1:
        raise InputError(f"--beam is {args.beam} but must be at least 1")
    if args.seed < 0:
        raise InputError(f"--seed is {args.seed} but must not be negative")
    for photo in args.photos:  # a bad photo is named before the first is described
        load_image(photo)
    captioner = Captioner.load(args.run) if args.run else Captioner.shipped()
    rng = np.random.default_rng(args.seed)
    for photo in args.photos:
        found = captioner.decode(
            captioner.features([photo]), beam=args.beam, temperature=args.temperature, rng=rng
        )[0]
        captions = [
            {"caption": captioner.text(h), "probability": exp(h.log_prob), "finished": h.finished}
            for h in found
        ]
        if args.json:
            print(json.dumps({"photo": str(photo), "captions": captions if args.all else captions[:1]}))
        elif args.all:
            print(photo)
            for c in captions:
                print(f"  {c['probability']:.2g}  {c['caption']}")
        else:
            print(f"{photo}: {captions[0]['caption']}" if len(args.photos) > 1 else captions[0]["caption"])
    return 0
