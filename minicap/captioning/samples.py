"""What a captioner says about the same few photos after every epoch of its training."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from minicap.arrays import Array, to_device
from minicap.captioning.captioner import Captioner
from minicap.captioning.splits import Split
from minicap.data.images import load_image
from minicap.errors import FormatError, InputError
from minicap.formats import atomic_write_text, atomic_writer, open_own, parse_json, read_json, read_text
from minicap.training import RunFolder, Trainer

PHOTOS = 8
_SIDE = 240  # pixels, at most
_MOST = 2**24  # bytes of the captions of a long run
_HUMANS, _CAPTIONS = "humans.json", "captions.jsonl"


class SampleCaptions:
    """A callback of the Trainer: a line in samples/captions.jsonl after every epoch, by greedy decoding.

    The folder samples/ of the run also has the photos, small, and what humans said about them.  The photos
    are spread evenly over the split; one that cannot be read is left out.
    Raises InputError when the folder cannot be written.
    """

    def __init__(self, captioner: Captioner, split: Split, run: RunFolder) -> None:
        self.captioner, self.split, self.run = captioner, split, run
        self.folder = folder_of(run.path)
        self.features: Array | None = None  # of the photos, once they are kept

    def __call__(self, trainer: Trainer, record: Mapping[str, Any]) -> None:
        if self.features is None:
            self.features = to_device(self.split.features[self._keep_photos()])
        if not len(self.features):
            return
        with trainer.averaged():
            captions = self.captioner.captions(self.features, beam=1)
        line = json.dumps({"epoch": record["epoch"], "captions": captions})
        path = self.folder / _CAPTIONS
        try:
            with open_own(path, append=True) as file:
                file.write(f"{line}\n".encode())
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror or error}") from None

    def _keep_photos(self) -> list[int]:
        """Write the photos and what humans said; returns which of the split they are."""
        paths, rows = self.split.paths, list[int]()
        try:
            self.folder.mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(f"cannot make the folder {self.folder}: {error.strerror or error}") from None
        for row in np.unique(np.linspace(0, len(paths) - 1, PHOTOS).round().astype(int)).tolist():
            try:
                image = Image.fromarray(load_image(paths[row], enough=_SIDE))
            except InputError:
                continue
            image.thumbnail((_SIDE, _SIDE))
            with atomic_writer(photo_file(self.run.path, len(rows))) as file:
                image.save(file, "JPEG", quality=85)
            rows.append(row)
        atomic_write_text(self.folder / _HUMANS, json.dumps([self.split.raw[row] for row in rows]))
        return rows


class Samples(NamedTuple):
    """humans: what they said, a list for every photo.  captions: one for every photo, by epoch."""

    humans: list[list[str]]
    captions: dict[int, list[str]]


def folder_of(run: Path) -> Path:
    """Where a run keeps its samples."""
    return run / "samples"


def photo_file(run: Path, index: int) -> Path:
    """The photo with this index, from 0."""
    return folder_of(run) / f"{index}.jpg"


def read_samples(run: Path) -> Samples:
    """The samples of a run folder; none where it has none.  A line cut short by a crash is skipped.

    Raises InputError, FormatError for files that cannot be read.
    """
    folder = folder_of(run)
    if not (folder / _HUMANS).is_file():
        return Samples([], {})
    humans = read_json(folder / _HUMANS, _MOST)
    text = read_text(folder / _CAPTIONS, _MOST) if (folder / _CAPTIONS).is_file() else ""
    captions = {}
    for line in text.splitlines():
        try:
            record = parse_json(line, _CAPTIONS)
            captions[int(record["epoch"])] = [str(caption) for caption in record["captions"]]
        except (FormatError, KeyError, TypeError, ValueError):
            continue
    if not isinstance(humans, list) or not all(isinstance(of_photo, list) for of_photo in humans):
        raise FormatError(f"{folder / 'humans.json'} is not a list of captions for each photo")
    return Samples([[str(said) for said in of_photo] for of_photo in humans], captions)
