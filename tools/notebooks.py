"""Run the notebooks of the assignments from top to bottom, each in its own solved handout.

    python -m tools.notebooks [ASSIGNMENT ...]

With nbclient and ipykernel the cells run in Jupyter's kernel; without them their code runs as one program,
which shows the same errors.  A cell that fails, or a check that does not pass, fails the run.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from minicap.assignments import archive, manifest
from minicap.assignments.teacher.handout import make
from minicap.assignments.teacher.solution import solved

LONGEST = 1800  # seconds for one notebook; a machine may be busy
KERNEL = """
import sys, nbformat, nbclient
book = nbformat.read(sys.argv[1], 4)
nbformat.validate(book)
nbclient.NotebookClient(book, timeout={seconds}, kernel_name="python3").execute()
for cell in book.cells:
    for output in cell.get("outputs", ()):
        sys.stdout.write(output.get("text", ""))
"""


def run(name: str) -> float:
    """Run one notebook.  Returns seconds; raises SystemExit with the output when a cell or a check fails."""
    assignment = manifest.find(name)
    with tempfile.TemporaryDirectory(prefix="minicap-notebook-", ignore_cleanup_errors=True) as folder:
        tree = Path(folder) / "handout"
        files = solved(make(assignment).files, assignment, assignment.named)
        archive.write(files, tree, name)
        book = tree / "assignments" / name / f"{name}.ipynb"
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", *_program(book)],
            cwd=tree,
            env=dict(os.environ) | {"PYTHONPATH": str(tree), "MPLBACKEND": "agg"},
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LONGEST,
        )
        if done.returncode or "\n[ ] " in done.stdout or "\n[-] " in done.stdout:
            raise SystemExit(f"{name}: the notebook fails\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return time.monotonic() - started


def code_of(book: Path) -> str:
    """The code cells of a notebook as one program."""
    cells = json.loads(book.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")


def _program(book: Path) -> list[str]:
    if find_spec("nbclient") and find_spec("ipykernel"):
        return [KERNEL.format(seconds=LONGEST), str(book)]
    return [code_of(book)]


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: every notebook ran."""
    known = [name for name, folder in manifest.folders().items() if (folder / f"{name}.ipynb").exists()]
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__.splitlines()[0])
    parser.add_argument(
        "names", nargs="*", metavar="ASSIGNMENT", help=f"of {', '.join(known)} (default: all)"
    )
    for name in parser.parse_args(argv).names or known:
        print(f"{name}: {run(name):.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
