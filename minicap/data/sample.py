"""The embedded sample: 104 CC BY photos of COCO with five human captions each, inside the package."""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from minicap.data.captioned import CaptionDataset
from minicap.data.karpathy import load_karpathy
from minicap.errors import InputError
from minicap.formats import atomic_write_bytes
from minicap.formats.folders import default_cache_folder


def load_sample() -> CaptionDataset:
    """The embedded sample: 84 photos to train on, 20 held out as "test" (it has no "val").

    image_id is the COCO number; the `extra` of a photo has its "flickr_url", its "license" and, for 76 of
    them, the "category_ids" of what it shows. If you pass on the photos, attribute them:
    sample_attribution().
    """
    return load_karpathy(_sample_folder() / "dataset_sample.json")


def sample_attribution() -> str:
    """The Markdown page that names the source and licence of every photo and caption of the sample."""
    return _shipped().joinpath("ATTRIBUTION.md").read_text(encoding="utf-8")


def _shipped() -> Traversable:
    return resources.files("minicap.data") / "sample"


def _sample_folder() -> Path:
    shipped = _shipped()
    if isinstance(shipped, Path):
        return shipped
    folder = default_cache_folder() / "sample"  # minicap was imported from a zip file
    _unpack(shipped, folder)
    return folder


def _unpack(source: Traversable, target: Path) -> None:
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot unpack the sample into {target}: {error.strerror}") from error
    for item in source.iterdir():
        if item.is_dir():
            _unpack(item, target / item.name)
        elif not (target / item.name).is_file() or (target / item.name).read_bytes() != item.read_bytes():
            atomic_write_bytes(target / item.name, item.read_bytes())
