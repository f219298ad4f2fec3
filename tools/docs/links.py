"""No link of a built site leads nowhere, and nothing is asked of another host to show it."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote

ANCHOR = re.compile(r'\s(?:id|name)="([^"]+)"')
LINK = re.compile(r'<a\s[^>]*?\bhref="([^"]*)"')
LOADED = re.compile(
    r'<(?:link|script|img|iframe|source|object|video|audio)\b[^>]*?\s(?:href|src|data)="([^"]*)"'
)
FROM_CSS = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])([^'\")\s]+)")
ELSEWHERE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


def problems(site: Path) -> Iterator[str]:
    """What is wrong, in words: links without a target, and files of other hosts that a page would load."""
    texts = {page.resolve(): page.read_text(encoding="utf-8") for page in sorted(site.rglob("*.html"))}
    anchors = {page: {unescape(name) for name in ANCHOR.findall(text)} for page, text in texts.items()}
    for page, text in texts.items():
        where = page.relative_to(site.resolve()).as_posix()
        for target in sorted(set(LINK.findall(text))):
            if not ELSEWHERE.match(target) and not _found(page, unescape(target), anchors):
                yield f"{where}: nothing is at {target}"
        for target in sorted(set(LOADED.findall(text))):
            yield from _loaded(page, where, unescape(target), anchors)
    for sheet in sorted(site.rglob("*.css")):
        for target in sorted(set(FROM_CSS.findall(sheet.read_text(encoding="utf-8")))):
            yield from _loaded(sheet.resolve(), sheet.relative_to(site).as_posix(), target, anchors)


def _loaded(page: Path, where: str, target: str, anchors: dict[Path, set[str]]) -> Iterator[str]:
    if target.startswith("data:"):
        return
    if ELSEWHERE.match(target):
        yield f"{where}: loads {target} from another host"
    elif not _found(page, target, anchors):
        yield f"{where}: {target} is missing"


def _found(page: Path, target: str, anchors: dict[Path, set[str]]) -> bool:
    path, _, anchor = target.partition("#")
    path = unquote(path.partition("?")[0])
    file = (page.parent / path).resolve() if path else page
    if anchor and file in anchors:
        return unquote(anchor) in anchors[file]
    return file in anchors or file.is_file()
