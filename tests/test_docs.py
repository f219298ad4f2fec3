"""What README and docs say: their Python runs, their links lead somewhere, their lines fit a screen."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
WIDEST = 100  # characters of a line of prose

# What has lines of its own: code, and formulas.
FENCED = re.compile(r"^```.*?^```|^\$\$.*?\$\$", re.DOTALL | re.MULTILINE)
# A page's Python, in order: what readers see, and what only the test sees, in a comment that says "setup".
CODE = re.compile(
    r"^```python\n(?P<shown>.*?)^```|^<!-- setup\n(?P<hidden>.*?)^-->", re.DOTALL | re.MULTILINE
)
SKIPPED = re.compile(r"^<!-- not run: (?P<reason>.*) -->\n```python\n.*?^```", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?P<target>[^)#\s]+)(?:#[^)]*)?\)")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def code_of(page: Path) -> str:
    """The Python of a page as one program, each block on its own lines of the page."""
    text = SKIPPED.sub(lambda found: "\n" * found[0].count("\n"), page.read_text(encoding="utf-8"))
    lines = [""] * text.count("\n")
    for found in CODE.finditer(text):
        group = "shown" if found["shown"] is not None else "hidden"
        first = text.count("\n", 0, found.start(group))
        for offset, line in enumerate(found[group].splitlines()):
            lines[first + offset] = line
    return "\n".join(lines)


@pytest.mark.parametrize("page", [page for page in PAGES if code_of(page).strip()], ids=name)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINICAP_CACHE", str(tmp_path / "cache"))
    exec(compile(code_of(page), str(page), "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_to_files_of_the_project_lead_there(page):
    targets = {found["target"] for found in LINK.finditer(page.read_text(encoding="utf-8"))}
    local = [target for target in targets if ":" not in target]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_prose_lines_fit_a_screen(page):
    text = FENCED.sub(lambda found: "\n" * found[0].count("\n"), page.read_text(encoding="utf-8"))
    too_long = [
        f"{page.name}:{number}: {len(line)} characters"
        for number, line in enumerate(text.splitlines(), start=1)
        if len(line) > WIDEST and not line.lstrip().startswith("|")
    ]
    assert too_long == []
