"""What a student hands in: the files of the exercises, and the notebook."""

import ast
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from minicap.assignments import archive
from minicap.assignments.manifest import PACKAGE, Assignment, Exercise
from minicap.assignments.sources import functions
from minicap.errors import InputError
from minicap.formats.atomic import atomic_write_bytes

ROOT = PACKAGE.parent


class Packed(NamedTuple):
    files: list[str]
    digest: str


def wanted(assignment: Assignment) -> frozenset[str]:
    """The files that count: nothing else of a submission is looked at."""
    notebook = f"assignments/{assignment.id}/{assignment.id}.ipynb"
    return frozenset({notebook, *(exercise.file for exercise in assignment.exercises)})


def pack(assignment: Assignment, output: Path, incomplete: bool = False) -> Packed:
    """Write the submission of this handout.

    Raises InputError when a file is missing or, unless `incomplete`, an exercise is not written.
    """
    files: dict[str, bytes] = {}
    for path in sorted(wanted(assignment)):
        if (ROOT / path).is_file():
            files[path] = (ROOT / path).read_bytes()
        elif path.endswith(".py"):
            raise InputError(f"{path} is missing; unpack it from the handout again")
    missing = unwritten(assignment, files)
    if missing and not incomplete:
        raise InputError(
            f"not written yet: {', '.join(e.id for e in missing)}; "
            "hand in what there is with minicap assign submit --incomplete"
        )
    data = archive.zipped(archive.with_sums(files))
    atomic_write_bytes(output, data)
    return Packed(sorted(files), sha256(data).hexdigest())


def unwritten(assignment: Assignment, files: dict[str, bytes]) -> list[Exercise]:
    """The exercises whose function still says that it is not written, or cannot be found."""
    missing = []
    for exercise in assignment.exercises:
        text = files.get(exercise.file, b"").decode("utf-8", "replace")
        if not exercise.is_python:
            missing += [exercise] if f"{exercise.id}: not written yet" in text else []
            continue
        try:
            node = dict(functions(ast.parse(text))).get(exercise.function)
        except (SyntaxError, ValueError):
            continue  # written, though not correctly
        if node is None or f"{exercise.id}: not written yet" in (ast.get_source_segment(text, node) or ""):
            missing.append(exercise)
    return missing
