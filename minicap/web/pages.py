"""The files of the page, read once: no request names a path."""

from hashlib import sha256
from importlib import resources
from typing import NamedTuple

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
            content = file.read_bytes()
            found[file.name] = Page(content, _TYPES[ending], f'"{sha256(content).hexdigest()[:16]}"')
    return found
