"""Which file of the repository becomes which page of the site, and where its links lead there."""

import posixpath
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from tools.bare import ROOT
from tools.docs import notebook

CONTENTS = "docs/README.md"  # its headings and lists are the site's navigation
FENCED = re.compile(r"(^```.*?^```[ \t]*$)", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"^<!--.*?-->\n", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\[\]]*)\]\((?P<file>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")
ENTRY = re.compile(r"^- \[(?P<title>[^\]]+)\]\((?P<file>[^)]+)\)", re.MULTILINE)


def pages() -> dict[str, str]:
    """The page, without suffix, of every file that becomes one; both relative, with forward slashes."""
    named = {"README.md": "index", "CONTRIBUTING.md": "contributing", "CHANGELOG.md": "changes"}
    named[CONTENTS] = "contents"
    for path in sorted((ROOT / "docs").rglob("*.md")):
        named.setdefault(_name(path), _index(path.relative_to(ROOT / "docs")))
    for path in sorted(
        (ROOT / "assignments").rglob("README.md")
    ):  # not their notebooks: those are for writing
        folder = path.parent.relative_to(ROOT)
        named[_name(path)] = (folder / "index" if folder.parent == Path() else folder).as_posix()
    for path in sorted((ROOT / "notebooks").glob("*.*")):
        if path.suffix in (".md", ".ipynb"):
            named[_name(path)] = _index(Path("tour", path.name))
    return named


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _index(path: Path) -> str:
    return (path.parent / "index" if path.stem == "README" else path.with_suffix("")).as_posix()


def write(source: Path, extra: Path) -> None:
    """Write every page as Markdown for Sphinx under `source`, with its pictures, and files linked to under
    `extra`.
    """
    named = pages()
    for name, page in named.items():
        to = source / f"{page}.md"
        to.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".ipynb"):
            text = notebook.as_markdown(ROOT / name, to.parent / "img" / to.stem)
        else:
            text = (ROOT / name).read_text(encoding="utf-8")
        text = moved(COMMENT.sub("", text), name, named, extra)
        to.write_text(text + "".join(trees(name, page, named)), encoding="utf-8")
    for folder in (path for path in (ROOT / "docs").rglob("img") if path.is_dir()):
        shutil.copytree(folder, source / folder.relative_to(ROOT / "docs"), dirs_exist_ok=True)


def moved(text: str, name: str, named: Mapping[str, str], extra: Path) -> str:
    """A page's text with its links turned towards the site."""

    def lead(link: re.Match[str]) -> str:
        target = _target(name, link["file"])
        anchor, up = link["anchor"] or "", "../" * named[name].count("/")
        if link["image"]:
            return f"![{link['text']}]({up}{target.removeprefix('docs/')})"
        page = named.get(target) or named.get(f"{target}/README.md")
        if page:
            return f"[{link['text']}](/{page}.md{anchor})"
        if target.startswith("minicap/") and target.endswith(".py"):
            page = f"_modules/{target.removesuffix('.py')}.html"
        else:
            page = f"files/{target}" + (".txt" if target.endswith(".md") else "")
            (extra / page).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / target, extra / page)
        return f'<a class="reference internal" href="{up}{page}">{link["text"]}</a>'

    parts = FENCED.split(text)
    parts[::2] = [LINK.sub(lead, part) for part in parts[::2]]
    return "".join(parts)


def trees(name: str, page: str, named: Mapping[str, str]) -> Iterator[str]:
    """The navigation that belongs to a page: the site's to the first, that of a folder to its index."""
    if page == "index":
        contents = (ROOT / CONTENTS).read_text(encoding="utf-8")
        for section in contents.split("\n## ")[1:]:
            caption, _, listed = section.partition("\n")
            entries = [(entry["title"], _target(CONTENTS, entry["file"])) for entry in ENTRY.finditer(listed)]
            yield _tree([f"{title} </{named[file]}>" for title, file in entries], caption)
        yield _tree(["API reference </reference/index>", "All pages </contents>"], "Reference")
    elif page.endswith("/index"):
        text, folder = (ROOT / name).read_text(encoding="utf-8"), page.removesuffix("index")
        linked = (named.get(_target(name, link["file"]), "") for link in LINK.finditer(text))
        inside = dict.fromkeys(other for other in linked if other != page and other.startswith(folder))
        yield _tree([f"/{other}" for other in inside])


def _target(name: str, link: str) -> str:
    """What a link of a file leads to, relative to the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), link))


def _tree(entries: list[str], caption: str = "") -> str:
    options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n\n" + "\n".join(["```{toctree}", *options, "", *entries, "```"]) + "\n"
