"""minicap data show: what is in a data set of captioned photos."""

import argparse
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from minicap.data import SPLITS, CaptionDataset, CaptionedImage, load_image, open_dataset
from minicap.errors import InputError

_TILE = 160  # pixels, the side of a photo on the sheet
_TEXT = 36  # pixels below it
_COLUMNS = 6


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    show = actions.add_parser("show", help="counts, captions and, for the embedded sample, attributions")
    show.add_argument(
        "dataset",
        nargs="?",
        default="sample",
        metavar="NAME_OR_PATH",
        help="'sample' (the photos in the package, the default), or a folder or file in Karpathy's layout",
    )
    show.add_argument("--split", choices=SPLITS, help="look at the photos of this split only")
    show.add_argument("--n", type=int, default=5, metavar="N", help="how many photos to show (default: 5)")
    show.add_argument("--sheet", type=Path, metavar="FILE.png", help="also draw those photos on one sheet")


def run(args: argparse.Namespace) -> int:
    if args.n < 1:
        raise InputError(f"--n is {args.n}; it must be at least 1")
    dataset = open_dataset(args.dataset)
    images = dataset.split(args.split) if args.split else dataset.images
    _print_summary(dataset, images, args.split)
    print()
    for image in images[: args.n]:
        print(f"{image.path.name}  ({image.split})")
        for caption in image.raw:
            print(f"    {caption}")
    if args.dataset == "sample":
        _print_attributions(images)
    if args.sheet:
        _write_sheet(images[: args.n], args.sheet)
    return 0


def _print_summary(dataset: CaptionDataset, images: Sequence[CaptionedImage], split: str | None) -> None:
    captions = [caption for image in images for caption in image.captions]
    lengths = np.array([len(caption) for caption in captions])
    vocabulary = {token for caption in captions for token in caption}
    counts = ", ".join(f"{name} {count}" for name, count in dataset.counts().items())
    print(f"{dataset.name}: {len(dataset)} photos ({counts})" + (f"; of {split}:" if split else ""))
    print(f"captions    {len(captions)}, {len(captions) / len(images):.1f} a photo")
    print(f"length      {lengths.mean():.1f} words on average, {lengths.min()} to {lengths.max()}")
    print(f"vocabulary  {len(vocabulary)} words, among {lengths.sum()}")


def _print_attributions(images: Sequence[CaptionedImage]) -> None:
    print("\nPhotos by Flickr users, resized to a shorter side of 160 pixels; captions: COCO, CC BY 4.0.")
    for number, image in enumerate(images, 1):
        print(f"{number:4}  {image.path.name}  {image.extra['license']}  {image.extra['flickr_url']}")


def _write_sheet(images: Sequence[CaptionedImage], path: Path) -> None:
    columns = min(_COLUMNS, len(images))
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * _TILE, rows * (_TILE + _TEXT)), "white")
    draw = ImageDraw.Draw(sheet)
    for i, image in enumerate(images):
        left, top = i % columns * _TILE, i // columns * (_TILE + _TEXT)
        photo = Image.fromarray(load_image(image.path))
        photo.thumbnail((_TILE - 4, _TILE - 4))
        sheet.paste(photo, (left + 2, top + _TILE - 2 - photo.height))
        text = "\n".join(textwrap.wrap(f"{i + 1}. {image.raw[0]}", 26, max_lines=3, placeholder="..."))
        draw.multiline_text((left + 4, top + _TILE), text, fill="black", font_size=9, spacing=1)
    try:
        sheet.save(path)
    except (OSError, ValueError) as error:
        raise InputError(f"--sheet: cannot write {path}: {error}") from error
    print(f"\n{path}: {len(images)} photos")
