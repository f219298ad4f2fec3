"""The files of the page, read once: no request names a path."""

import json
from hashlib import sha256
from importlib import resources
from typing import NamedTuple

from minicap.data import open_dataset

PHOTOS = 6  # of the embedded sample that can be tried with a click

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


class Page(NamedTuple):
    content: bytes
    media_type: str
    etag: str


def load_pages() -> dict[str, Page]:
    """The files of the page by their names, such as "page.css"."""
    found = {}
    for file in resources.files("minicap.web").joinpath("static").iterdir():
        ending = "." + file.name.rpartition(".")[2]
        if ending in _TYPES:
            found[file.name] = _page(file.read_bytes(), _TYPES[ending])
    return found


def load_photos() -> dict[str, Page]:
    """A few held-out photos of the embedded sample, and photos.json, which says what is on them."""
    photos = open_dataset("sample").split("test")[:PHOTOS]
    listed = [{"file": photo.path.name, "caption": photo.raw[0]} for photo in photos]
    found = {photo.path.name: _page(photo.path.read_bytes(), "image/jpeg") for photo in photos}
    return found | {"photos.json": _page(json.dumps(listed).encode(), _TYPES[".json"])}


def _page(content: bytes, media_type: str) -> Page:
    return Page(content, media_type, f'"{sha256(content).hexdigest()[:16]}"')
