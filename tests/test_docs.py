"""What README and docs say: their Python runs, their links lead somewhere, their lines fit a screen."""

import re
import shlex
from pathlib import Path

import pytest

from minicap.cli.command_line import make_parser

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES += [*sorted((ROOT / "assignments").rglob("*.md")), ROOT / "notebooks" / "README.md"]
WIDEST = 100  # characters of a line of prose

# What has lines of its own: code, and formulas.
FENCED = re.compile(r"^```.*?^```|^\$\$.*?\$\$", re.DOTALL | re.MULTILINE)
# A page's Python, in order: what readers see, and what only the test sees, in a comment that says "setup".
CODE = re.compile(
    r"^```python\n(?P<shown>.*?)^```|^<!-- setup\n(?P<hidden>.*?)^-->", re.DOTALL | re.MULTILINE
)
SKIPPED = re.compile(r"^<!-- not run: (?P<reason>.*) -->\n```python\n.*?^```", re.DOTALL | re.MULTILINE)
# Idioms that a page must not have: one thing "a" file, "goes first" for "takes precedence", internal targets.
BANNED = re.compile(
    r"\bone (?:array|byte|caption|entry|file|line|number|reference|row|thread) "
    r"an? (?:argument|command|epoch|feature|file|layer|line|photo|row|sample|step|thread|word)\b"
    r"|\b\d+ m?s an? (?:epoch|run|step)\b|\bflops a byte\b|\btimes as long\b|\bdid not pay\b"
    r"|\bgoes first\b|\bgoal / must\b|\bcomputed anew\b",
    re.IGNORECASE,
)
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


def commands_of(page: Path) -> list[list[str]]:
    """The words of every line of a page's code blocks that runs minicap."""
    text = page.read_text(encoding="utf-8")
    lines = (line for block in FENCED.findall(text) for line in block.replace("\\\n", " ").splitlines())
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("minicap ")]


@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)], ids=name)
def test_the_commands_of_a_page_are_taken_by_the_command_line(page):
    refused = []
    for words in commands_of(page):
        try:
            make_parser(words).parse_args(words)
        except SystemExit as ended:
            refused += [words] if ended.code else []
    assert refused == []


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=name)
def test_prose_lines_fit_a_screen(page):
    text = FENCED.sub(lambda found: "\n" * found[0].count("\n"), page.read_text(encoding="utf-8"))
    too_long = [
        f"{page.name}:{number}: {len(line)} characters"
        for number, line in enumerate(text.splitlines(), start=1)
        if len(line) > WIDEST and not line.lstrip().startswith("|")
    ]
    assert too_long == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_pages_say_per_and_takes_precedence(page):
    text = " ".join(FENCED.sub(" ", page.read_text(encoding="utf-8")).split())
    assert BANNED.findall(text) == []


def test_the_banned_idioms_are_found_and_plain_english_is_not():
    assert BANNED.findall("one file a command; one caption a photo, 7.2 s an epoch") != []
    assert BANNED.findall("one file per command; one with a photo; one second; two photos a dog saw") == []
