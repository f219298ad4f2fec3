"""Flickr8k (Hodosh et al. 2013) and Flickr30k (Young et al. 2014) as they were published: a token file."""

import os
from pathlib import Path

from minicap.data.captioned import (
    CaptionDataset,
    CaptionedImage,
    dealt,
    photo_path,
    refuse_missing,
    with_words,
)
from minicap.errors import FormatError, InputError
from minicap.formats.documents import read_text

_MOST = 64 * 2**20  # bytes of a text file
_PHOTOS = ("images", "Flicker8k_Dataset", "Flickr8k_Dataset", "flickr30k-images", "flickr30k_images")
_LISTS = {"train": "trainImages", "val": "devImages", "test": "testImages"}


def load_flickr(path: str | os.PathLike[str], outside: bool = False) -> CaptionDataset:
    """Read Flickr8k.token.txt, results_20130124.token or a similar file.

    path: that file, its folder, or the folder above.  A line is `photo.jpg#0`, a tab and a caption.
    Flickr_8k.trainImages.txt, .devImages.txt and .testImages.txt beside it name the photos of each split;
    photos that none of them names are left out.  Without these lists the photos are dealt out (`deal`).
    Photos are in `images` or a folder with its published name, beside the file or one folder up.
    outside: allow photos outside that folder.
    Raises InputError for missing files, FormatError for a line in another layout.
    """
    path = Path(path)
    source = path if os.path.isfile(path) else find_tokens(path)
    if source is None:
        raise InputError(f"{path}: there is no token file (Flickr8k.token.txt) in this folder")
    captions = _captions(source)
    splits = _splits(source)
    names = [name for name in captions if name in splits] if splits else list(captions)
    folder = _folder_of(source, names)
    images = []
    for name in names:
        photo = photo_path(folder, Path(name), outside, str(source))
        if found := with_words(captions[name]):
            words, raw = zip(*found, strict=True)
            images.append(CaptionedImage(photo, name, splits.get(name, ""), words, raw))
    if not images:
        raise FormatError(f"{source}: holds no captions of photos in its splits")
    refuse_missing(source, folder, [image.path for image in images])
    name = source.name.partition(".token")[0]
    return CaptionDataset(name, tuple(images if splits else dealt(images, folder)))


def find_tokens(folder: Path) -> Path | None:
    """The token file in a folder or a subfolder, but not the lemmatised one."""
    if not os.path.isdir(folder):
        return None
    for pattern in ("*.token*", "*/*.token*"):
        found = sorted(file for file in folder.glob(pattern) if file.is_file() and "lemma" not in file.name)
        if len(found) > 1:
            raise InputError(f"{folder}: holds {len(found)} token files; name the one to read")
        if found:
            return found[0]
    return None


def _captions(source: Path) -> dict[str, list[str]]:
    """The captions of every photo, in the order of the file."""
    captions: dict[str, list[str]] = {}
    for number, line in enumerate(read_text(source, _MOST).split("\n"), start=1):
        if not line.strip():
            continue
        name, tab, caption = line.rstrip("\r").partition("\t")
        photo, mark, which = name.rpartition("#")
        if not (tab and mark and photo and which.isdecimal()):
            raise FormatError(f"{source}, line {number}: needs photo.jpg#0, a tab and a caption")
        captions.setdefault(photo, []).append(caption.strip())
    return captions


def _splits(source: Path) -> dict[str, str]:
    """The split of every photo named in a list beside the file; empty if there are no lists."""
    lists = {split: sorted(source.parent.glob(f"*{name}.txt")) for split, name in _LISTS.items()}
    if not any(lists.values()):
        return {}
    splits: dict[str, str] = {}
    for split, files in lists.items():
        if len(files) != 1:
            raise InputError(f"{source.parent}: one file *.{_LISTS[split]}.txt is needed, found {len(files)}")
        for name in read_text(files[0], _MOST).split():
            if splits.setdefault(name, split) != split:
                raise FormatError(f"{files[0]}: {name} is in the split {splits[name]!r} too")
    return splits


def _folder_of(source: Path, photos: list[str]) -> Path:
    """The folder with the first photo; that of the file if the photo is nowhere."""
    above = (source.parent, source.parent.parent)
    places = [place / name for place in above for name in _PHOTOS] + [source.parent]
    return next((p for p in places if photos and os.path.isfile(p / photos[0])), source.parent)
