"""A class of synthetic students: write their submissions, grade them, and see what that takes.

    python -m tools.classroom a2 --students 300 --jobs 2 DIR

Students differ in how much they get right.  What is not right is not written, a classic mistake, zeros, an
exception or a loop without an end; a few hand in a broken file or archive, or forget a file.  Every run
writes the same submissions.  Grading is killed half-way and goes on; then everything is graded once more,
with the same secret: records must be the same but for their times.
"""

import argparse
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from minicap.assignments import archive, manifest
from minicap.assignments.manifest import Assignment, Exercise
from minicap.assignments.submission import wanted
from minicap.assignments.teacher.handout import make
from minicap.assignments.teacher.mistakes import Mistake, load_mistakes
from minicap.assignments.teacher.solution import solution, solved

WRONG = ("not written", "mistake", "nothing", "exception", "endless")
SHARES = (0.35, 0.4, 0.1, 0.14, 0.01)  # of what is not right
BROKEN = 0.02  # of the class, each: a file that is no Python, a missing file, an archive that is none


def write_class(assignment: Assignment, count: int, folder: Path) -> list[Path]:
    """The submissions of a class, as zips."""
    files, mistakes = make(assignment).files, load_mistakes(assignment.folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        rng = np.random.default_rng([0, number])
        bodies = dict(_bodies(assignment, mistakes, rng))
        own = solved(files, assignment, bodies, {id: body for id, body in bodies.items() if body})
        handed_in = {name: own[name] for name in sorted(wanted(assignment)) if name in own}
        path = folder / f"student{number:03}.zip"
        path.write_bytes(_packed(handed_in, rng))
        paths.append(path)
    return paths


def _bodies(
    assignment: Assignment, mistakes: Sequence[Mistake], rng: np.random.Generator
) -> Iterator[tuple[str, str]]:
    """What a student wrote, by exercise; "" for the right body."""
    skill = rng.beta(2.5, 1.0)
    for exercise in assignment.exercises:
        kind = "right" if rng.random() < skill else str(rng.choice(WRONG, p=SHARES))
        if kind == "right":
            yield exercise.id, ""
        elif kind != "not written":
            yield exercise.id, _wrong(exercise, kind, mistakes, rng)


def _wrong(exercise: Exercise, kind: str, mistakes: Sequence[Mistake], rng: np.random.Generator) -> str:
    right = solution(exercise)
    own = [m for m in mistakes if m.exercise == exercise.id and m.old in right]
    if kind == "mistake" and own:
        mistake = own[int(rng.integers(len(own)))]
        return right.replace(mistake.old, mistake.new)
    if not exercise.is_python:
        return {"nothing": "  return;", "endless": "  while (true) {}"}.get(kind, "  real x = 1 / 0;")
    return {"nothing": "pass", "endless": "while True:\n    pass"}.get(kind, "raise ValueError('too hard')")


def _packed(files: dict[str, bytes], rng: np.random.Generator) -> bytes:
    fate, names = rng.random(), [name for name in files if name.endswith(".py")]
    chosen = names[int(rng.integers(len(names)))]
    if fate < BROKEN:
        files[chosen] += b"\ndef broken(:\n"
    elif fate < 2 * BROKEN:
        del files[chosen]
    elif fate < 3 * BROKEN:
        return b"PK\x03\x04 an upload that broke off"
    return archive.zipped(files)


def grade(
    assignment: str, paths: Sequence[Path], results: Path, jobs: int, until: int | None = None
) -> float:
    """Grade into a folder of records, in a process of its own.  Returns seconds.

    until: kill it when there are so many records.
    """
    command = [sys.executable, "-m", "minicap", "assign", "grade", assignment, *map(str, paths)]
    command += ["--jobs", str(jobs), "--json", str(results)]
    started = time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        while process.poll() is None:
            if until is not None and len(_records(results)) >= until:
                process.kill()
            time.sleep(0.2)
        if until is None and process.returncode not in (0, 1):
            raise SystemExit(f"grading ended with exit code {process.returncode}")
    return time.monotonic() - started


def _records(results: Path) -> list[Path]:
    return sorted(results.glob("student*.json"))


def told(results: Path) -> dict[str, dict[str, object]]:
    """What the records say, without their times."""
    records = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in _records(results)}
    return {name: {k: v for k, v in r.items() if k != "seconds"} for name, r in records.items()}


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: both runs say the same of every student."""
    parser = argparse.ArgumentParser(prog="python -m tools.classroom", description=__doc__.splitlines()[0])
    parser.add_argument("assignment")
    parser.add_argument("folder", type=Path, metavar="DIR", help="new or empty")
    parser.add_argument("--students", type=int, default=300, metavar="N")
    parser.add_argument("--jobs", type=int, default=2, metavar="N")
    args = parser.parse_args(argv)
    paths = write_class(manifest.find(args.assignment), args.students, args.folder / "submissions")
    first, second = args.folder / "first", args.folder / "second"
    begun = grade(args.assignment, paths, first, args.jobs, until=args.students // 2)
    kept = len(_records(first))
    rest = grade(args.assignment, paths, first, args.jobs)
    print(f"first run: killed after {kept} records ({begun:.0f} s), the others in {rest:.0f} s", flush=True)
    second.mkdir()
    shutil.copy(first / "secret.txt", second)
    print(f"second run: {grade(args.assignment, paths, second, args.jobs):.0f} s")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    scores = [float(str(record["score"])) for record in told(first).values()]
    print(f"largest process: {used.ru_maxrss / 1024:.0f} MiB")
    print(f"scores: mean {np.mean(scores):.1f}, from {min(scores):g} to {max(scores):g}")
    same = told(first) == told(second)
    print("the records are the same" if same else "THE RECORDS DIFFER")
    return 0 if same and len(scores) == args.students else 1


if __name__ == "__main__":
    sys.exit(main())
