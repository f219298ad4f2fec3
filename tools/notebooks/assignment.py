"""The assignments' notebooks: handed out without outputs, they run on the solved exercises."""

import tempfile
from pathlib import Path

from minicap.assignments import archive, manifest
from minicap.assignments.teacher.handout import make
from minicap.assignments.teacher.solution import solved
from tools.notebooks.running import run

_BOOKS = {name: folder / f"{name}.ipynb" for name, folder in manifest.folders().items()}
BOOKS = {name: book for name, book in _BOOKS.items() if book.exists()}


def run_assignment(name: str) -> float:
    """Run one notebook.  Returns seconds; raises SystemExit with the output when a cell or a check fails."""
    assignment = manifest.find(name)
    with tempfile.TemporaryDirectory(prefix="minicap-handout-", ignore_cleanup_errors=True) as folder:
        tree = Path(folder) / "handout"
        files = solved(make(assignment).files, assignment, assignment.named)
        archive.write(files, tree, name)
        done = run(tree / "assignments" / name / f"{name}.ipynb", tree, tree, {})
    if "\n[ ] " in done.printed or "\n[-] " in done.printed:
        raise SystemExit(f"{name}: a check does not pass\n{done.printed[-4000:]}")
    return done.seconds
