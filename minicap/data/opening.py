"""One opening for every layout of captioned photos."""

import logging
import os
from contextlib import suppress
from pathlib import Path

from minicap.data.captioned import CaptionDataset, seen_in_training
from minicap.data.folder import load_folder
from minicap.data.karpathy import load_karpathy
from minicap.data.sample import load_sample
from minicap.progress import printable

SAMPLE = "sample"

_LOG = logging.getLogger(__name__)  # its warnings go to stderr where nobody has set up logging


def open_dataset(path: str | os.PathLike[str], outside: bool = False) -> CaptionDataset:
    """Captioned photos in any layout that minicap reads.

    path: "sample" for the photos in the package; a JSON file in Karpathy's layout, or the folder that holds
    one; a CSV file, or a plain folder (`load_folder`).
    outside: allow a data set to name photos outside its own folder.
    A photo that is held out and in training too is warned about.
    Raises InputError for missing files, FormatError for files that are not laid out as they should be.
    """
    if str(path) == SAMPLE:
        return load_sample()
    path = Path(path)
    in_json = path.suffix.lower() == ".json" or (os.path.isdir(path) and any(path.glob("dataset_*.json")))
    dataset = (load_karpathy if in_json else load_folder)(path, outside=outside)
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
