"""One function that opens every layout of captioned photos."""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from minicap.data.captioned import CaptionDataset, seen_in_training
from minicap.data.coco import find_coco, load_coco
from minicap.data.flickr import find_tokens, load_flickr
from minicap.data.folder import load_folder
from minicap.data.karpathy import load_karpathy
from minicap.data.sample import load_sample
from minicap.progress import printable

SAMPLE = "sample"

_LOG = logging.getLogger(__name__)  # its warnings go to stderr unless logging is set up


def open_dataset(path: str | os.PathLike[str], outside: bool = False) -> CaptionDataset:
    """Captioned photos in any layout that minicap reads.

    path: "sample" for the photos in the package; a JSON file in Karpathy's layout, or the folder that holds
    one; COCO's captions_*.json, or a folder with them (`load_coco`); the token file of Flickr8k or Flickr30k,
    or a folder with it (`load_flickr`); a CSV file, or a plain folder (`load_folder`).
    outside: allow a data set to name photos outside its own folder.
    A warning is logged for a held-out photo that is also in training.
    Raises InputError for missing files, FormatError for files in another layout.
    """
    if str(path) == SAMPLE:
        return load_sample()
    path = Path(path)
    dataset = _loader(path)(path, outside=outside)
    with suppress(OSError):  # an unreadable photo is named when its turn comes
        if twins := seen_in_training(dataset):
            held_out, training = twins[0]
            _LOG.warning(
                printable(
                    f"{dataset.name}: {len(twins)} held-out photos are also in training, so scores on them "
                    f"say little: {held_out.name} is {training.name}"
                )
            )
    return dataset


def _loader(path: Path) -> Callable[..., CaptionDataset]:
    """The loader for the layout of a file or folder."""
    if os.path.isdir(path):
        if any(path.glob("dataset_*.json")):
            return load_karpathy
        return load_coco if find_coco(path) else load_flickr if find_tokens(path) else load_folder
    if path.suffix.lower() == ".json":
        return load_coco if path.name.startswith("captions_") else load_karpathy
    return load_flickr if ".token" in path.name else load_folder
