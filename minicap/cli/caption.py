"""`minicap caption PHOTO...`: a sentence for every photo."""

import argparse
import json
from itertools import islice
from math import exp
from pathlib import Path
from typing import Any

import numpy as np

from minicap.captioning import Captioner
from minicap.captioning.occlusion import share_lost
from minicap.cli.arguments import path, whole
from minicap.cli.decoding import add_decoding_arguments, decoding_options
from minicap.cli.photos import Photos, require_drawable
from minicap.decoding import Decoding, Hypothesis
from minicap.progress import printable

_AT_ONCE = 16  # photos that are encoded and decoded together


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
    parser.add_argument("--beam", type=whole(1, 100), metavar="K", help="beam size (default: 3)")
    add_decoding_arguments(parser)
    parser.add_argument(
        "--seed", type=whole(0, 2**63 - 1), default=0, help="seed of the random draws (default: 0)"
    )
    parser.add_argument("--all", action="store_true", help="print every caption of the beam")
    parser.add_argument("--json", action="store_true", help="print one JSON object per photo")
    parser.add_argument(
        "--figure", type=path, metavar="FILE.png", help="draw where in the photo every word comes from"
    )


def run(args: argparse.Namespace) -> int:
    """Returns 1 when some photos could not be used.  Raises InputError when none could."""
    options = {"beam": args.beam, **decoding_options(args)}
    Decoding(**options)  # contradictory flags are reported before any work is done
    captioner = Captioner.load(args.run) if args.run else Captioner.shipped()
    rng = np.random.default_rng(args.seed)
    photos = Photos(args.photos, captioner.encoder.preprocess.read, "caption")
    if args.figure:
        require_drawable(photos.paths, "--figure", args.figure)
    answers = iter(photos)
    while batch := list(islice(answers, _AT_ONCE)):
        images = np.stack([pixels for _, pixels in batch])
        features = captioner.encoder.encode(images, captioner.model.reads)
        found = captioner.decode(features, rng, **options)
        for (photo, pixels), hypotheses in zip(batch, found, strict=True):
            _print(photo, [_caption(captioner, h) for h in hypotheses], len(photos.paths) > 1, args)
            if args.figure:
                _draw(captioner, photo, pixels, hypotheses[0], args.figure)
    return photos.exit_code()


def _draw(captioner: Captioner, photo: Path, pixels: Any, hypothesis: Hypothesis, figure: Path) -> None:
    """Attention, or what hiding parts of the photo changes for a captioner that has none."""
    from minicap.plots import attention_sheet, save_figure

    preprocess = captioner.encoder.preprocess
    words = [captioner.vocabulary.words[word] for word in hypothesis.words]
    seen = preprocess.seen(preprocess.load(photo))
    if "attention" in hypothesis.extras:
        sheet = attention_sheet(seen, words, hypothesis.extras["attention"][: len(words)])
    else:  # the place whose loss costs a word the most is the brightest of all
        lost = share_lost(captioner, pixels, hypothesis.words)
        sheet = attention_sheet(seen, words, lost / max(lost.max(), 1e-6), relative=False)
    save_figure(sheet, figure)


def _caption(captioner: Captioner, hypothesis: Hypothesis) -> dict[str, Any]:
    return {
        "caption": captioner.text(hypothesis),
        "probability": exp(hypothesis.log_prob),
        "finished": hypothesis.finished,
    }


def _print(photo: Path, captions: list[dict[str, Any]], named: bool, args: argparse.Namespace) -> None:
    if args.json:
        print(json.dumps({"photo": str(photo), "captions": captions if args.all else captions[:1]}))
    elif args.all:
        print(printable(str(photo)))
        for c in captions:
            print(f"  {c['probability']:.2g}  {printable(c['caption'])}")
    else:
        print(printable((f"{photo}: " if named else "") + captions[0]["caption"]))
