"""Photos with captions, in the JSON layout of Karpathy & Fei-Fei 2015 (Flickr8k, Flickr30k, COCO)."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

from minicap.data.captioned import CaptionDataset, CaptionedImage, photo_path, refuse_missing
from minicap.errors import FormatError, InputError
from minicap.formats.documents import entry, json_type, read_json

# Karpathy's "restval" are COCO validation photos left over for training.
_SPLIT_OF = {"train": "train", "restval": "train", "val": "val", "test": "test"}


def load_karpathy(
    path: str | os.PathLike[str], images: str | os.PathLike[str] | None = None, outside: bool = False
) -> CaptionDataset:
    """Read a `dataset_*.json` in Karpathy's layout.

    path: the JSON file, or the folder that holds exactly one `dataset_*.json`.
    images: the folder of the photos; by default `images` beside the JSON file, or else the JSON's own folder.
    An entry's "filepath", when it has one, is a folder below it.
    outside: allow photos outside that folder, by ".." or an absolute path.
    Each entry of "images" needs "filename", "imgid", "split" and "sentences" with "tokens"; "raw" defaults to
    the joined tokens, other keys go to `extra`. Photos of the split "restval" join "train".
    Raises InputError for missing files, FormatError for a file in another layout.
    """
    source = _find_json(Path(path))
    folder = _find_images(source, images)
    root = read_json(source)
    if not isinstance(root, dict) or "images" not in root:
        raise FormatError(
            f'{source}: not in Karpathy\'s layout: a JSON object with the key "images" is needed'
        )
    records = entry(root, "images", list, str(source))
    if not records:
        raise FormatError(f'{source}: "images" is empty')
    name = root.get("dataset") or source.stem.removeprefix("dataset_")
    loaded = tuple(
        _captioned_image(record, folder, outside, f"{source}: images[{i}]")
        for i, record in enumerate(records)
    )
    _refuse_repeated_ids(source, loaded)
    refuse_missing(source, folder, [image.path for image in loaded])
    extra = {key: value for key, value in root.items() if key not in ("images", "dataset")}
    return CaptionDataset(str(name), loaded, extra)


def _find_json(path: Path) -> Path:
    if os.path.isfile(path):  # unlike Path.is_file it takes paths of any length
        return path
    if not os.path.isdir(path):
        raise InputError(f"{path}: there is no such file or folder")
    found = sorted(path.glob("dataset_*.json"))
    if len(found) == 1:
        return found[0]
    names = ", ".join(file.name for file in found) if found else "none"
    raise InputError(f"{path}: one file dataset_*.json is needed in this folder, found {names}")


def _find_images(source: Path, images: str | os.PathLike[str] | None) -> Path:
    if images is None:
        beside = source.parent / "images"
        return beside if beside.is_dir() else source.parent
    if not os.path.isdir(images):
        raise InputError(f"{images}: there is no such folder of photos")
    return Path(images)


def _captioned_image(record: Any, folder: Path, outside: bool, where: str) -> CaptionedImage:
    if not isinstance(record, dict):
        raise FormatError(f"{where}: an object is needed, not {json_type(record)}")
    filename = entry(record, "filename", str, where)
    below = entry(record, "filepath", str, where) if "filepath" in record else ""
    path = photo_path(folder, Path(below) / filename, outside, where)
    split = entry(record, "split", str, where)
    if split not in _SPLIT_OF:
        raise FormatError(f"{where}: unknown split {split!r}; known: {', '.join(_SPLIT_OF)}")
    sentences = entry(record, "sentences", list, where)
    if not sentences:
        raise FormatError(f"{where}: {filename} has no captions")
    captions, raw = zip(
        *(_sentence(s, f"{where}.sentences[{i}]") for i, s in enumerate(sentences)), strict=True
    )
    known = ("filename", "filepath", "imgid", "split", "sentences", "sentids")
    extra = {key: value for key, value in record.items() if key not in known}
    image_id = entry(record, "imgid", (int, str), where)
    return CaptionedImage(path, image_id, _SPLIT_OF[split], captions, raw, extra)


def _sentence(sentence: Any, where: str) -> tuple[tuple[str, ...], str]:
    if not isinstance(sentence, dict):
        raise FormatError(f"{where}: an object is needed, not {json_type(sentence)}")
    tokens = entry(sentence, "tokens", list, where)
    if not tokens or not all(isinstance(token, str) for token in tokens):
        raise FormatError(f'{where}: "tokens" must be a list of at least one word')
    raw = entry(sentence, "raw", str, where) if "raw" in sentence else " ".join(tokens)
    return tuple(tokens), raw


def _refuse_repeated_ids(source: Path, images: tuple[CaptionedImage, ...]) -> None:
    image_id, times = Counter(image.image_id for image in images).most_common(1)[0]
    if times > 1:
        raise FormatError(f'{source}: "imgid" {image_id!r} is given to {times} photos; each needs its own')
