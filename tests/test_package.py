"""What is installed is what is promised."""

import re
import tomllib
from fnmatch import fnmatch
from importlib.metadata import entry_points, metadata
from pathlib import Path

import pytest

import minicap

ROOT = Path(__file__).parents[1]
PACKAGE = Path(minicap.__file__).parent


@pytest.fixture(scope="module")
def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_version_is_told_the_same_everywhere(project):
    assert minicap.__version__ == project["project"]["version"] == metadata("minicap")["Version"]


def test_the_command_leads_to_a_function():
    (command,) = entry_points(group="console_scripts", name="minicap")
    assert callable(command.load())


def test_the_base_needs_three_packages(project):
    names = [re.match(r"[\w-]+", line)[0] for line in project["project"]["dependencies"]]
    assert names == ["numpy", "pillow", "threadpoolctl"]


def test_versions_are_bounded_from_below_and_those_of_linters_from_above_too(project):
    groups = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    bounds = {
        re.sub(r";.*", "", line) for group in groups for line in group if not line.startswith("minicap[")
    }
    linters = {line for line in bounds if line.startswith(("ruff", "mypy"))}  # new ones find new faults
    assert [line for line in linters if not re.fullmatch(r"\w+>=[\d.]+,<[\d.]+", line)] == []
    others = bounds - linters
    assert [line for line in others if not re.fullmatch(r"[\w-]+(\[\w+\])?>=[\d.]+", line.strip())] == []


def test_every_extra_that_a_text_names_exists(project):
    texts = [*PACKAGE.rglob("*.py"), ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {
        (path.relative_to(ROOT).as_posix(), extra)
        for path in texts
        for extras in re.findall(r"minicap\[([a-z0-9,-]+)\]", path.read_text(encoding="utf-8"))
        for extra in extras.split(",")
    }
    assert named
    known = set(project["project"]["optional-dependencies"])
    assert {(path, extra) for path, extra in named if extra not in known} == set()


def test_every_data_file_goes_into_the_wheel(project):
    patterns = project["tool"]["setuptools"]["package-data"]["minicap"]
    files = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    assert "py.typed" in files

    def ships(file: str) -> bool:
        return any(fnmatch(file, pattern) and file.count("/") == pattern.count("/") for pattern in patterns)

    assert [file for file in files if not ships(file)] == []


def test_licences_and_notices_are_there(project):
    for file in project["project"]["license-files"]:
        assert (ROOT / file).stat().st_size > 0
