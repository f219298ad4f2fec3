"""Execute a notebook in a process of its own.

With nbclient and ipykernel the cells run in Jupyter's kernel; without them their code runs as one program,
which shows the same errors.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Book = dict[str, Any]  # as its file's JSON

LONGEST = 1800  # seconds for one notebook; a machine may be busy
_COLOUR = re.compile(r"\x1b\[[\d;]*m")  # in tracebacks
KERNEL = """
import sys, nbformat, nbclient
book = nbformat.read(sys.argv[1], 4)
nbformat.validate(book)
nbclient.NotebookClient(book, timeout={seconds}, kernel_name="python3").execute()
nbformat.write(book, sys.argv[2])
"""


@dataclass(frozen=True)
class Run:
    """book: with the outputs of this run; None where there is no Jupyter.  printed: by all cells."""

    seconds: float
    printed: str
    book: Book | None


def run(path: Path, cwd: Path, tree: Path, variables: Mapping[str, str]) -> Run:
    """Run one notebook in the folder cwd, on the minicap of a tree.

    Raises SystemExit with the end of the output when a cell fails.
    """
    with tempfile.TemporaryDirectory(prefix="minicap-notebook-", ignore_cleanup_errors=True) as folder:
        ran = Path(folder) / "ran.ipynb"
        in_jupyter = find_spec("nbclient") and find_spec("ipykernel")
        program = [KERNEL.format(seconds=LONGEST), str(path), str(ran)] if in_jupyter else [code_of(path)]
        backend = {} if in_jupyter else {"MPLBACKEND": "agg"}  # Jupyter's own shows the figures
        started = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-c", *program],
            cwd=cwd,
            env=os.environ | {"PYTHONPATH": str(tree)} | backend | dict(variables),
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=LONGEST,
        )
        seconds = time.monotonic() - started
        if done.returncode:
            plain = _COLOUR.sub("", done.stderr)
            raise SystemExit(f"{path.name}: a cell fails\n{done.stdout[-4000:]}\n{plain[-4000:]}")
        book = load(ran) if in_jupyter else None
        return Run(seconds, printed_by(book) if book else done.stdout, book)


def load(path: Path) -> Book:
    """A notebook as it lies on the disk."""
    book: Book = json.loads(path.read_text(encoding="utf-8"))
    return book


def code_cells(book: Book) -> list[dict[str, Any]]:
    """Its cells of code, in order."""
    return [cell for cell in book["cells"] if cell["cell_type"] == "code"]


def code_of(path: Path) -> str:
    """The code cells of a notebook as one program."""
    return "\n\n".join("".join(cell["source"]) for cell in code_cells(load(path)))


def printed_by(book: Book) -> str:
    """What all cells printed, errors included."""
    outputs = (output for cell in code_cells(book) for output in cell["outputs"])
    return "".join("".join(output.get("text", "")) for output in outputs)
