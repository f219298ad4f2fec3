"""Photos with captions, in the JSON layout of Karpathy & Fei-Fei 2015 (Flickr8k, Flickr30k, COCO)."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minicap.errors import FormatError, InputError

SPLITS = ("train", "val", "test")

# Karpathy's "restval" are COCO validation photos left over for training.
_SPLIT_OF = {"train": "train", "restval": "train", "val": "val", "test": "test"}

_NAMED_AT_MOST = 5  # files or splits listed in one message


@dataclass(frozen=True)
class CaptionedImage:
    path: Path
    image_id: int | str
    split: str  # "train", "val" or "test"
    captions: tuple[tuple[str, ...], ...]  # the tokens of each
    raw: tuple[str, ...]  # the same captions as they were written
    extra: Mapping[str, Any] = field(default_factory=dict)  # other keys of the file, such as category_ids


@dataclass(frozen=True)
class CaptionDataset:
    name: str
    images: tuple[CaptionedImage, ...]
    extra: Mapping[str, Any] = field(default_factory=dict)  # other keys of the file, such as categories

    def __len__(self) -> int:
        return len(self.images)

    def counts(self) -> dict[str, int]:
        """Photos in each split."""
        counter = Counter(image.split for image in self.images)
        return {split: counter[split] for split in SPLITS}

    def split(self, name: str) -> tuple[CaptionedImage, ...]:
        """The photos of "train", "val" or "test", in the order of the file.

        Raises InputError for another name and for a split without photos.
        """
        if name not in SPLITS:
            raise InputError(f"{self.name}: there is no split {name!r}; the splits are {', '.join(SPLITS)}")
        found = tuple(image for image in self.images if image.split == name)
        if not found:
            counts = ", ".join(f"{split} {count}" for split, count in self.counts().items())
            raise InputError(f"{self.name}: the split {name!r} has no photos ({counts})")
        return found


def load_karpathy(
    path: str | os.PathLike[str], images: str | os.PathLike[str] | None = None
) -> CaptionDataset:
    """Read a `dataset_*.json` in Karpathy's layout.

    path: the JSON file, or the folder that holds exactly one `dataset_*.json`.
    images: the folder of the photos; by default `images` beside the JSON file, or else the JSON's own folder.
    An entry's "filepath", when it has one, is a folder below it.
    Each entry of "images" needs "filename", "imgid", "split" and "sentences" with "tokens"; "raw" defaults to
    the joined tokens, other keys go to `extra`. Photos of the split "restval" join "train".
    Raises InputError for missing files, FormatError for a file that is not laid out so.
    """
    source = _find_json(Path(path))
    folder = _find_images(source, images)
    try:
        root = json.loads(source.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{source}: not JSON ({error})") from error
    if not isinstance(root, dict) or "images" not in root:
        raise FormatError(
            f'{source}: not in Karpathy\'s layout: a JSON object with the key "images" is needed'
        )
    entries = _get(root, "images", list, str(source))
    if not entries:
        raise FormatError(f'{source}: "images" is empty')
    name = root.get("dataset") or source.stem.removeprefix("dataset_")
    loaded = tuple(
        _captioned_image(entry, folder, f"{source}: images[{i}]") for i, entry in enumerate(entries)
    )
    _refuse_repeated_ids(source, loaded)
    _refuse_missing(source, folder, loaded)
    extra = {key: value for key, value in root.items() if key not in ("images", "dataset")}
    return CaptionDataset(str(name), loaded, extra)


def _find_json(path: Path) -> Path:
    if path.is_file():
        return path
    if not path.is_dir():
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
    if not Path(images).is_dir():
        raise InputError(f"{images}: there is no such folder of photos")
    return Path(images)


def _captioned_image(entry: Any, folder: Path, where: str) -> CaptionedImage:
    if not isinstance(entry, dict):
        raise FormatError(f"{where}: an object is needed, not {_json_type(entry)}")
    filename = _get(entry, "filename", str, where)
    below = _get(entry, "filepath", str, where) if "filepath" in entry else ""
    split = _get(entry, "split", str, where)
    if split not in _SPLIT_OF:
        raise FormatError(f"{where}: unknown split {split!r}; known: {', '.join(_SPLIT_OF)}")
    sentences = _get(entry, "sentences", list, where)
    if not sentences:
        raise FormatError(f"{where}: {filename} has no captions")
    captions, raw = zip(
        *(_sentence(s, f"{where}.sentences[{i}]") for i, s in enumerate(sentences)), strict=True
    )
    known = ("filename", "filepath", "imgid", "split", "sentences", "sentids")
    extra = {key: value for key, value in entry.items() if key not in known}
    image_id = _get(entry, "imgid", (int, str), where)
    return CaptionedImage(folder / below / filename, image_id, _SPLIT_OF[split], captions, raw, extra)


def _sentence(sentence: Any, where: str) -> tuple[tuple[str, ...], str]:
    if not isinstance(sentence, dict):
        raise FormatError(f"{where}: an object is needed, not {_json_type(sentence)}")
    tokens = _get(sentence, "tokens", list, where)
    if not tokens or not all(isinstance(token, str) for token in tokens):
        raise FormatError(f'{where}: "tokens" must be a list of at least one word')
    raw = _get(sentence, "raw", str, where) if "raw" in sentence else " ".join(tokens)
    return tuple(tokens), raw


def _get(record: Mapping[str, Any], key: str, kind: type | tuple[type, ...], where: str) -> Any:
    if key not in record:
        raise FormatError(f'{where}: the key "{key}" is missing')
    value = record[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        wanted = " or ".join(_JSON_TYPES[k] for k in (kind if isinstance(kind, tuple) else (kind,)))
        raise FormatError(f'{where}: "{key}" must be {wanted}, not {_json_type(value)}')
    return value


_JSON_TYPES = {str: "a text", int: "an integer", list: "a list", dict: "an object"}


def _json_type(value: Any) -> str:
    return "null" if value is None else _JSON_TYPES.get(type(value), f"{value!r}")


def _refuse_repeated_ids(source: Path, images: tuple[CaptionedImage, ...]) -> None:
    image_id, times = Counter(image.image_id for image in images).most_common(1)[0]
    if times > 1:
        raise FormatError(f'{source}: "imgid" {image_id!r} stands at {times} photos; each needs its own')


def _refuse_missing(source: Path, folder: Path, images: tuple[CaptionedImage, ...]) -> None:
    missing = [image.path for image in images if not image.path.is_file()]
    if missing:
        names = ", ".join(path.relative_to(folder).as_posix() for path in missing[:_NAMED_AT_MOST])
        more = ", ..." if len(missing) > _NAMED_AT_MOST else ""
        raise InputError(
            f"{source}: {len(missing)} of {len(images)} photos are missing in {folder}: {names}{more}"
        )
