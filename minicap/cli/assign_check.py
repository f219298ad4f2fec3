"""minicap assign check, next, hint, progress: for students, in a handout."""

import argparse
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from minicap.assignments import manifest, progress
from minicap.assignments.check import ROOT, Result, check
from minicap.assignments.manifest import Assignment, Exercise
from minicap.errors import InputError
from minicap.progress import printable

_BETWEEN_LOOKS = 0.5  # seconds, with --watch


def add_arguments(actions: argparse._SubParsersAction) -> Iterator[argparse.ArgumentParser]:
    checking = actions.add_parser("check", help="run your code, and say what is wrong with it")
    checking.add_argument(
        "names", nargs="*", metavar="EXERCISE", help="such as conv_forward, conv or a2 (default: all)"
    )
    checking.add_argument("--watch", action="store_true", help="check again whenever a file is saved")
    yield checking
    yield actions.add_parser("next", help="what to write next")
    hint = actions.add_parser("hint", help="help with an exercise")
    hint.add_argument("names", nargs="*", metavar="EXERCISE", help="default: the next one")
    yield hint
    yield actions.add_parser("progress", help="how far you are")


def run(args: argparse.Namespace) -> int:
    """Run the command.  Returns 1 when an exercise that was checked does not pass, else 0."""
    assignment, names = _assignment(getattr(args, "names", []))
    if args.action == "check":
        chosen = manifest.split_names(assignment, names)
        return _watch(assignment, chosen) if args.watch else _check(assignment, chosen)
    done = progress.passed(assignment)
    if args.action == "progress":
        print(f"{assignment.id}: {assignment.title}  {progress.bar(assignment, done)}")
        return 0
    exercise = progress.next_exercise(assignment, done)
    chosen = manifest.split_names(assignment, names) if names else [exercise] if exercise else []
    if not chosen:
        print("All exercises pass. Hand in with: minicap assign submit")
    for exercise in chosen:
        if args.action == "hint":
            print("\n".join(map(printable, progress.hint(exercise, ROOT))))
        else:
            print(f"{exercise.id}: {exercise.title} ({exercise.points} points)")
            print(f"    write {exercise.function} in {ROOT / exercise.file}")
            print(f"    minicap assign check {exercise.id}   minicap assign hint {exercise.id}")
    return 0


def _assignment(names: Sequence[str]) -> tuple[Assignment, list[str]]:
    """The assignment that the first name denotes, or the only one; and the remaining names."""
    known = manifest.folders()
    if names and names[0] in known:
        return manifest.find(names[0]), list(names[1:])
    if len(known) > 1 and names:
        for folder in known.values():
            assignment = manifest.load(folder)
            if any(e.id == names[0] for e in assignment.exercises):
                return assignment, list(names)
    return manifest.find(), list(names)


def _check(assignment: Assignment, exercises: Sequence[Exercise]) -> int:
    print(progress.OPENING)
    results: list[Result] = []
    for result in check(assignment, exercises):
        results.append(result)
        print(printable(progress.line(result)), flush=True)
    done = progress.note(assignment, results)
    wrong = [result for result in results if not result.done]
    tried = [result for result in wrong if result.written]
    if wrong:
        print()
    for line in progress.explanation((tried or wrong)[0]) if wrong else ():
        print(printable(line))
    if wrong:
        print(f"    minicap assign hint {(tried or wrong)[0].exercise.id}")
    print(progress.bar(assignment, done))
    return 1 if wrong else 0


def _watch(assignment: Assignment, exercises: Sequence[Exercise]) -> int:
    files = sorted({ROOT / exercise.file for exercise in exercises})
    before: dict[Path, float] = {}
    print("checking whenever a file is saved; end with Ctrl-C")
    while True:
        try:
            stamps = {file: file.stat().st_mtime for file in files}
        except OSError as error:
            raise InputError(f"{error.filename} has gone; unpack the handout again") from None
        if stamps != before:
            before = stamps
            _check(assignment, exercises)
        time.sleep(_BETWEEN_LOOKS)
