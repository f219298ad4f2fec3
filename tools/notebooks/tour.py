"""The guided tour: each notebook holds the outputs that it is to show."""

import json
import tempfile
from pathlib import Path

from tools import bare
from tools.notebooks.outputs import drift, kept, texts_of
from tools.notebooks.running import Book, code_cells, load, run

FOLDER = bare.ROOT / "notebooks"
BOOKS = {path.stem: path for path in sorted(FOLDER.glob("*.ipynb"))}


def run_tour(name: str, write: bool = False) -> float:
    """Run one notebook of the tour, and store its outputs or compare them with those stored.

    Returns seconds.  Raises SystemExit when a cell fails, and when what is shown has drifted.
    """
    path = BOOKS[name]
    with tempfile.TemporaryDirectory(prefix="minicap-cache-", ignore_cleanup_errors=True) as cache:
        # Features are computed afresh; no measurement and no number of cores decides in what order to add.
        variables = {"MINICAP_CACHE": cache, "MINICAP_AUTOTUNE": "0", "OPENBLAS_NUM_THREADS": "1"}
        done = run(path, FOLDER, bare.ROOT, variables)
    if done.book is None:
        return done.seconds
    if traces := traces_of(done.book):
        raise SystemExit(f"{name}: its outputs name places of this machine:\n" + "\n".join(traces))
    if write:
        store(kept(done.book), path)
    elif drifted := drift(load(path), done.book):
        raise SystemExit(f"{name} shows something else than what is stored in it\n" + "\n".join(drifted))
    return done.seconds


def traces_of(book: Book) -> list[str]:
    """The outputs' lines that name a folder of this machine."""
    outputs = (output for cell in code_cells(book) for output in cell["outputs"])
    lines = (line for output in outputs for text in texts_of(output) for line in text.splitlines())
    places = [str(place) for place in (bare.ROOT, Path.home(), Path(tempfile.gettempdir())) if place.name]
    return [line for line in lines if any(place in line for place in places)]


def store(book: Book, path: Path) -> None:
    """Write a notebook as Jupyter does, so that saving it there changes nothing else."""
    text = json.dumps(book, indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
