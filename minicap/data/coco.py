"""Photos with captions in COCO's own JSON layout (Chen et al. 2015): captions_train2017.json and similar."""

import os
from pathlib import Path
from typing import Any

from minicap.data.captioned import (
    CaptionDataset,
    CaptionedImage,
    dealt,
    photo_path,
    refuse_missing,
    with_words,
)
from minicap.errors import FormatError, InputError
from minicap.formats.documents import entry, read_json


def load_coco(path: str | os.PathLike[str], outside: bool = False) -> CaptionDataset:
    """Read captions as COCO publishes them.

    path: a folder with `annotations/captions_*.json`, or with `captions_*.json` itself, or one such file.
    captions_train... becomes the split "train", captions_val... "val"; a file with another name is dealt out
    (`deal`).  The photos of captions_val2017.json are in `val2017`, `images/val2017` or `images`, beside the
    JSON or beside its folder `annotations`.
    outside: allow photos outside that folder.
    Photos without captions are left out; a photo's `extra` has the other keys of its entry.
    Raises InputError for missing files, FormatError for a file in another layout.
    """
    path = Path(path)
    sources = [path] if os.path.isfile(path) else find_coco(path)
    if not sources:
        raise InputError(f"{path}: there is no captions_*.json in this folder, nor in annotations in it")
    images: list[CaptionedImage] = []
    for source in sources:
        images += _read(source, outside)
    if len({image.image_id for image in images}) < len(images):
        names = ", ".join(source.name for source in sources)
        raise InputError(f"{path}: the same photos are in several of {names}; name the one to read")
    top = top_of(sources[0])
    return CaptionDataset(top.resolve().name or "coco", tuple(images))


def find_coco(folder: Path, kind: str = "captions") -> list[Path]:
    """The files of captions, or of "instances", in a folder in COCO's layout; none for any other folder."""
    for place in (folder / "annotations", folder):
        if os.path.isdir(place) and (found := sorted(place.glob(f"{kind}_*.json"))):
            return found
    return []


def top_of(source: Path) -> Path:
    return source.parent.parent if source.parent.name == "annotations" else source.parent


def _read(source: Path, outside: bool) -> list[CaptionedImage]:
    root = read_json(source)
    if not isinstance(root, dict):
        raise FormatError(f"{source}: not in COCO's layout: a JSON object is needed")
    captions = _captions(entry(root, "annotations", list, str(source)), source)
    folder = photos_of(source)
    images = []
    for i, record in enumerate(entry(root, "images", list, str(source))):
        where = f"{source}: images[{i}]"
        if not isinstance(record, dict):
            raise FormatError(f"{where}: an object is needed")
        number = entry(record, "id", int, where)
        photo = photo_path(folder, Path(entry(record, "file_name", str, where)), outside, where)
        if found := with_words(captions.pop(number, [])):
            extra = {key: value for key, value in record.items() if key not in ("id", "file_name")}
            words, raw = zip(*found, strict=True)
            images.append(CaptionedImage(photo, number, split_of(source), words, raw, extra))
    if captions:
        raise FormatError(f"{source}: captions of image {min(captions)}, which is not among its images")
    if not images:
        raise FormatError(f"{source}: holds no captions")
    refuse_missing(source, folder, [image.path for image in images])
    return images if split_of(source) else dealt(images, folder)


def _captions(annotations: list[Any], source: Path) -> dict[int, list[str]]:
    """The captions of every image, by its id."""
    captions: dict[int, list[str]] = {}
    for i, record in enumerate(annotations):
        where = f"{source}: annotations[{i}]"
        if not isinstance(record, dict):
            raise FormatError(f"{where}: an object is needed")
        caption = entry(record, "caption", str, where)
        captions.setdefault(entry(record, "image_id", int, where), []).append(caption)
    return captions


def split_of(source: Path) -> str:
    """From captions_train2017.json or instances_...; "" if the name gives none."""
    name = _part(source)
    return next((split for split in ("train", "val") if name.startswith(split)), "")


def photos_of(source: Path) -> Path:
    """The folder of the photos of captions_val2017.json or instances_val2017.json."""
    top, part = top_of(source), _part(source)
    places = (top / part, top / "images" / part, top / "images", top)
    return next(place for place in places if os.path.isdir(place))


def _part(source: Path) -> str:
    """val2017 for captions_val2017.json and instances_val2017.json."""
    return source.stem.removeprefix("captions_").removeprefix("instances_")
