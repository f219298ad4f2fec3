"""Clean places to try minicap in: a copy of the tree as a clone has it, an empty environment."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEFT_BEHIND = shutil.ignore_patterns(".git", ".venv*", ".*_cache", "__pycache__", "*.egg-info", "runs")


def copy_tree(to: Path) -> Path:
    """What a commit of everything here would hold, under `to`; ignored files stay behind."""
    git = shutil.which("git")
    listing = git and subprocess.run(
        [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
    )
    if not listing or listing.returncode:  # not a checkout
        shutil.copytree(ROOT, to, ignore=LEFT_BEHIND, dirs_exist_ok=True)
        return to
    for name in filter(None, listing.stdout.split("\0")):
        if (ROOT / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)
    return to


def variables(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment variables of this process without those that would change a run, and with `changes`."""
    telling = ("PYTHON", "PYTEST", "MINICAP", "OPENBLAS", "OMP", "MKL", "VIRTUAL_ENV")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(telling)}
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"} | dict(changes or {})


def make_environment(at: Path, python: str = sys.executable) -> str:
    """A virtual environment; its Python."""
    subprocess.run([python, "-m", "venv", str(at)], check=True, env=variables())
    return str(at / "Scripts" / "python.exe") if os.name == "nt" else str(at / "bin" / "python")


def readme_commands() -> Iterator[str]:
    """The lines of README.md that set up an environment of their own, as this system writes them."""
    for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("python3 -m venv"):
            if os.name == "nt":
                line = line.replace("python3 ", "python ").replace("/bin/", "/Scripts/").replace("/", "\\")
            yield line
