"""Photos with several labels each, in splits, whatever layout they were read from."""

import os
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from minicap.data.captioned import SPLITS, CaptionDataset, deal, photo_path, refuse_missing
from minicap.data.coco import find_coco, photos_of, split_of, top_of
from minicap.data.opening import open_dataset
from minicap.data.tables import find_table, read_table, splits_of
from minicap.errors import FormatError, InputError
from minicap.formats.documents import entry, read_json

_SEPARATOR = ";"  # between the labels of a photo in a CSV file


@dataclass(frozen=True)
class TaggedPhoto:
    """labels: the names of everything in the photo, in the order of the file, without repeats."""

    path: Path
    split: str  # "train", "val" or "test"
    labels: tuple[str, ...]


@dataclass(frozen=True)
class TaggedDataset:
    """name: of the set.  labels: the names of all labels, in the order of the file."""

    name: str
    photos: tuple[TaggedPhoto, ...]
    labels: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.photos)

    def counts(self) -> dict[str, int]:
        """Photos in each split."""
        counter = Counter(photo.split for photo in self.photos)
        return {split: counter[split] for split in SPLITS}

    def split(self, name: str) -> tuple[TaggedPhoto, ...]:
        """The photos of "train", "val" or "test", or of "all", in the order of the file.

        Raises InputError for another name and for a split without photos.
        """
        if name not in (*SPLITS, "all"):
            raise InputError(f"{self.name}: there is no split {name!r}; known: {', '.join(SPLITS)}, all")
        found = tuple(photo for photo in self.photos if name in (photo.split, "all"))
        if not found:
            counts = ", ".join(f"{split} {count}" for split, count in self.counts().items())
            raise InputError(f"{self.name}: the split {name!r} has no photos ({counts})")
        return found


def open_tagged(path: str | os.PathLike[str], outside: bool = False) -> TaggedDataset:
    """Photos with labels, in any layout that minicap reads.

    path: "sample" for the photos in the package; COCO's instances_*.json, or a folder with them
    (`load_coco_instances`); a JSON file in Karpathy's layout with "category_ids"; a CSV file with the columns
    `photo` and `labels` and perhaps `split`, where labels are separated by semicolons; or a folder that holds
    one of them.
    outside: allow a data set to name photos outside its own folder.
    Without splits, photos are dealt out as captioned ones are.
    Raises InputError for missing files, FormatError for files that are not laid out so.
    """
    path = Path(path)
    if os.path.isdir(path) and not any(path.glob("dataset_*.json")):
        if find_coco(path, "instances"):
            return load_coco_instances(path, outside)
        if table := find_table(path):
            return load_tagged_table(table, outside)
        raise InputError(
            f"{path}: no labels were found; a folder needs a CSV file with the columns photo and labels, "
            "annotations/instances_*.json as COCO has them, or a dataset_*.json with category_ids"
        )
    if path.suffix.lower() == ".csv":
        return load_tagged_table(path, outside)
    if path.name.startswith("instances_"):
        return load_coco_instances(path, outside)
    return _of_categories(open_dataset(path, outside))


def load_tagged_table(table: Path, outside: bool = False) -> TaggedDataset:
    """Photos of a CSV file with the columns `photo`, `labels` (separated by semicolons) and perhaps `split`.

    Raises InputError when it cannot be read or photos are missing, FormatError when it is not laid out so.
    """
    rows = list(read_table(table, "labels", outside))
    folder = table.parent
    if not rows:
        raise FormatError(f"{table}: lists no photos")
    times = Counter(photo for photo, _, _ in rows)
    if repeated := [photo.name for photo in times if times[photo] > 1]:
        raise FormatError(f"{table}: {repeated[0]} has several rows; put all its labels into one")
    splits = splits_of(rows, table, folder)
    refuse_missing(table, folder, list(splits))
    photos = tuple(
        TaggedPhoto(photo, splits[photo], _unique(value.split(_SEPARATOR))) for photo, value, _ in rows
    )
    return _dataset(folder.resolve().name or "photos", photos)


def load_coco_instances(path: str | os.PathLike[str], outside: bool = False) -> TaggedDataset:
    """Photos of COCO's instances, each with the names of the categories in it; boxes are not read.

    path: a folder with `annotations/instances_*.json`, or with `instances_*.json` itself, or one such file.
    Splits and photos are found as `load_coco` finds them.
    Raises InputError for missing files, FormatError for a file that is not laid out so.
    """
    path = Path(path)
    sources = [path] if os.path.isfile(path) else find_coco(path, "instances")
    if not sources:
        raise InputError(f"{path}: there is no instances_*.json in this folder, nor in annotations in it")
    names: dict[int, str] = {}
    photos: list[TaggedPhoto] = []
    for source in sources:
        categories, found = _read_instances(source, outside)
        if names and categories != names:
            raise FormatError(f"{source}: its categories are not those of {sources[0].name}")
        names = categories
        photos += found
    return _dataset(top_of(sources[0]).resolve().name or "coco", tuple(photos), tuple(names.values()))


def _read_instances(source: Path, outside: bool) -> tuple[dict[int, str], list[TaggedPhoto]]:
    where = str(source)
    root = read_json(source)
    if not isinstance(root, dict):
        raise FormatError(f"{where}: not in COCO's layout: a JSON object is needed")
    names, folder = _names(entry(root, "categories", list, where), where), photos_of(source)
    files: dict[int, Path] = {}
    for i, record in enumerate(entry(root, "images", list, where)):
        at = f"{where}: images[{i}]"
        name, number = (_field(record, key, kind, at) for key, kind in (("file_name", str), ("id", int)))
        files[number] = photo_path(folder, Path(name), outside, at)
    found: dict[int, list[str]] = defaultdict(list)
    for i, record in enumerate(entry(root, "annotations", list, where)):
        at = f"{where}: annotations[{i}]"
        photo, category = (_field(record, key, int, at) for key in ("image_id", "category_id"))
        if photo not in files or category not in names:
            raise FormatError(f"{at}: image {photo} or category {category} is not listed in the file")
        found[photo].append(names[category])
    if not files:
        raise FormatError(f"{where}: lists no photos")
    refuse_missing(source, folder, list(files.values()))
    split = split_of(source)
    splits = dict.fromkeys(files.values(), split) if split else deal(list(files.values()), folder)
    return names, [TaggedPhoto(file, splits[file], _unique(found[n])) for n, file in files.items()]


def _of_categories(dataset: CaptionDataset) -> TaggedDataset:
    """The photos of a captioned set that have labels, as "category_ids"."""
    where = dataset.name
    names = _names(dataset.extra["categories"], where) if "categories" in dataset.extra else None
    photos = []
    for image in dataset.images:
        if "category_ids" in image.extra:
            ids = entry(image.extra, "category_ids", list, f"{where}: {image.path.name}")
            if unknown := [i for i in ids if names is not None and i not in names]:
                raise FormatError(f"{where}: {image.path.name} has the unknown category {unknown[0]!r}")
            labels = _unique([str(i) if names is None else names[i] for i in ids])
            photos.append(TaggedPhoto(image.path, image.split, labels))
    if not photos:
        raise FormatError(f'{where}: no photo has "category_ids", the numbers of what is on it')
    return _dataset(where, tuple(photos), tuple(names.values()) if names else ())


def _names(categories: Any, where: str) -> dict[int, str]:
    if not isinstance(categories, list):
        raise FormatError(f'{where}: "categories" is not a list')
    fields = [
        (_field(c, "id", int, where), _field(c, "name", str, f"{where}: categories[{i}]"))
        for i, c in enumerate(categories)
    ]
    names = dict(fields)
    if len(names) != len(fields) or len(set(names.values())) != len(fields):
        raise FormatError(f"{where}: two categories have the same id or name")
    return names


def _field(record: Any, key: str, kind: Any, where: str) -> Any:
    if not isinstance(record, dict):
        raise FormatError(f"{where}: an object is needed")
    return entry(record, key, kind, where)


def _unique(labels: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label.strip() for label in labels if label.strip()))


def _dataset(name: str, photos: tuple[TaggedPhoto, ...], labels: tuple[str, ...] = ()) -> TaggedDataset:
    """The set with all listed labels or, without a list, those that some photo has."""
    labels = labels or tuple(dict.fromkeys(label for photo in photos for label in photo.labels))
    if not any(photo.labels for photo in photos):
        raise FormatError(f"{name}: no photo has any label")
    return TaggedDataset(name, photos, labels)
