"""What a student sees of where they are: results in lines, a bar, the next exercise."""

import json
from collections.abc import Sequence
from pathlib import Path

from minicap.assignments.check import Result
from minicap.assignments.manifest import Assignment, Exercise
from minicap.errors import FormatError, InputError
from minicap.formats.atomic import atomic_write_text
from minicap.formats.documents import read_json

FILE = ".progress.json"
OPENING = "What is not written yet fails: that is the exercise, not a fault of your installation."


def line(result: Result) -> str:
    """One line on an exercise."""
    points = result.exercise.points
    if result.done:
        return f"[x] {result.exercise.id:<24} {points:>3} points"
    if not result.written:
        return f"[ ] {result.exercise.id:<24} {points:>3} points   not written yet"
    return f"[-] {result.exercise.id:<24} {points:>3} points   {result.passed} of {result.trials} cases pass"


def explanation(result: Result) -> list[str]:
    """What is wrong, and where to look."""
    return [f"{result.exercise.id}: {result.text}", f"    in the case '{result.trial}', see {result.where}"]


def bar(assignment: Assignment, done: Sequence[str], width: int = 30) -> str:
    """How many points the exercises that pass are worth."""
    points = sum(e.points for e in assignment.exercises if e.id in done)
    filled = width * points // assignment.points
    return f"[{'#' * filled}{'.' * (width - filled)}] {points} of {assignment.points} points"


def passed(assignment: Assignment) -> list[str]:
    """The exercises that passed when they were last checked, by id."""
    try:
        noted = read_json(assignment.folder / FILE)
    except (InputError, FormatError):
        return []
    known = noted.get("passed") if isinstance(noted, dict) else None
    known = known if isinstance(known, list) else []
    return [e.id for e in assignment.exercises if e.id in known]


def note(assignment: Assignment, results: Sequence[Result]) -> list[str]:
    """Remember which exercises pass.  Returns all that do."""
    known = {*passed(assignment), *(r.exercise.id for r in results if r.done)}
    known -= {r.exercise.id for r in results if not r.done}
    done = [e.id for e in assignment.exercises if e.id in known]
    atomic_write_text(assignment.folder / FILE, json.dumps({"passed": done}, indent=1) + "\n")
    return done


def next_exercise(assignment: Assignment, done: Sequence[str]) -> Exercise | None:
    """The first exercise that does not pass; None when all do."""
    return next((e for e in assignment.exercises if e.id not in done), None)


def hint(exercise: Exercise, root: Path) -> list[str]:
    """What helps with an exercise, in lines."""
    lines = [f"{exercise.id}: {exercise.title}", f"    {exercise.hint}"]
    if exercise.reading:
        lines.append(f"    To read: {exercise.reading}")
    lines.append(f"    Write it in {root / exercise.file}, in {exercise.function}.")
    return lines
