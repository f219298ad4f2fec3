"""Grade submissions: hidden trials, each in a process of a sandbox; what comes back is judged here."""

import hashlib
import json
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from minicap.assignments import archive
from minicap.assignments.manifest import Assignment, Exercise
from minicap.assignments.submission import wanted
from minicap.assignments.teacher import sandbox
from minicap.assignments.teacher.drawing import calls_text, draw
from minicap.assignments.teacher.handout import make
from minicap.assignments.teacher.sandbox import Limits
from minicap.assignments.trials import Trial, encoded
from minicap.assignments.verdict import judge
from minicap.errors import FormatError, InputError
from minicap.formats.atomic import atomic_write_text
from minicap.formats.documents import read_json

VERSION = 1  # of the records
MOST_FAILURES = 3  # reported for each exercise


@dataclass(frozen=True)
class Workplace:
    """All that grading one submission needs; it can be sent to another process.

    handout: the unpacked handout, which submissions run in.  trials: hidden ones, by exercise.
    """

    assignment: Assignment
    handout: Path
    trials: dict[str, list[Trial]]
    calls: str
    kind: str
    limits: Limits
    fingerprint: str


@dataclass
class Score:
    """What an exercise got.  failures: [trial, words, "file:line"] each."""

    id: str
    points: int
    score: float
    passed: int
    trials: int
    failures: list[list[str]] = field(default_factory=list)


def prepare(
    assignment: Assignment, folder: Path, secret: str, unsafe: bool = False, limits: Limits | None = None
) -> Workplace:
    """Build the handout in an empty folder and draw the hidden trials.

    secret: their numbers come from it; the same one gives the same grades.
    Raises InputError where there is no sandbox.
    """
    kind = sandbox.choose(unsafe)
    archive.write(make(assignment).files, folder, assignment.id)
    trials: dict[str, list[Trial]] = {exercise.id: [] for exercise in assignment.exercises}
    drawn = draw(assignment, f"hidden {secret}")
    for trial in drawn:
        trials[trial.exercise].append(trial)
    digest = hashlib.sha256(encoded(drawn) + (folder / archive.SUMS).read_bytes() + str(VERSION).encode())
    calls = calls_text(assignment.folder)
    sandbox.compile_once(folder, [exercise.module for exercise in assignment.exercises], calls)
    return Workplace(assignment, folder, trials, calls, kind, limits or Limits(), digest.hexdigest())


def secret_of(folder: Path) -> str:
    """The secret kept in a folder of results, a new one in a new folder."""
    file = folder / "secret.txt"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write_text(file, fresh_secret() + "\n")
    return file.read_text(encoding="utf-8").strip()


def fresh_secret() -> str:
    """A secret that nobody knows."""
    return secrets.token_hex(16)


def grade_all(
    submissions: Sequence[Path], place: Workplace, executor: Executor, results: Path | None = None
) -> Iterator[dict[str, Any]]:
    """The records of the submissions, in their order.

    executor: any of concurrent.futures.  results: a folder of records; what is graded there already, with the
    same files, trials and handout, is taken from it.
    """
    jobs = []
    for path in submissions:
        known = _known(path, place, results)
        jobs.append(known or executor.submit(grade, path, place))
    for path, job in zip(submissions, jobs, strict=True):
        record: dict[str, Any] = job if isinstance(job, dict) else job.result()
        if results and not isinstance(job, dict):
            results.mkdir(parents=True, exist_ok=True)
            atomic_write_text(_file(results, path), json.dumps(record, indent=1) + "\n")
        yield record


def grade(path: Path, place: Workplace) -> dict[str, Any]:
    """The record of one submission: scores, what failed and why, how long it took."""
    started = time.monotonic()
    record: dict[str, Any] = {
        "name": path.stem if path.suffix == ".zip" else path.name,
        "assignment": place.assignment.id,
        "digest": digest_of(path),
        "place": place.fingerprint,
        "max_score": place.assignment.points,
        "problem": "",
    }
    try:
        files = archive.read(path, wanted(place.assignment))
        if not any(name.endswith(".py") for name in files):
            record["problem"] = "none of the files of this assignment is in it"
    except (InputError, FormatError) as error:
        files, record["problem"] = {}, str(error)
    scores = list(_grade_files(files, place))
    record["score"] = round(sum(score.score for score in scores), 2)
    record["exercises"] = [vars(score) for score in scores]
    record["seconds"] = round(time.monotonic() - started, 1)
    return record


def _grade_files(files: dict[str, bytes], place: Workplace) -> Iterator[Score]:
    with tempfile.TemporaryDirectory(prefix="minicap-grade-", ignore_cleanup_errors=True) as folder:
        submission = Path(folder) / "submission"
        for name, data in files.items():
            file = submission / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        by_file: dict[str, list[Exercise]] = {}
        for exercise in place.assignment.exercises:
            by_file.setdefault(exercise.file, []).append(exercise)
        found: dict[str, Score] = {}
        for number, (name, exercises) in enumerate(by_file.items()):
            if name not in files:
                found |= {e.id: _missing(e, place, f"{name} is missing") for e in exercises}
                continue
            root = Path(folder) / f"root{number}"
            root.mkdir()
            module = exercises[0].module
            calls = place.calls if any(exercise.call for exercise in exercises) else ""
            with sandbox.worker(
                place.kind, root, place.handout, submission, module, name, place.limits, calls
            ) as worker:
                for exercise in exercises:
                    found[exercise.id] = _grade_exercise(worker, exercise, place)
        for exercise in place.assignment.exercises:
            yield found[exercise.id]


def _grade_exercise(worker: Any, exercise: Exercise, place: Workplace) -> Score:
    trials = place.trials[exercise.id]
    passed, telling, failures = 0, False, []
    for trial in trials:
        verdict = judge(trial, worker.ask(trial.request(place.calls), trial.seconds))
        if verdict.passed:
            passed += 1
            telling = telling or not trial.trivial
            continue
        where = verdict.where.replace(f"{sandbox.SUBMISSION}/", "").rpartition("/submission/")[2]
        failures.append([trial.name, verdict.text, where if exercise.is_python else exercise.file])
        if not verdict.written or "time limit" in verdict.text:
            break  # the others would say the same
    # A constant, or an argument handed back, passes none but trivial trials.
    share = passed / len(trials) if telling else 0.0
    score = round(exercise.points * share, 2)
    return Score(exercise.id, exercise.points, score, passed, len(trials), failures[:MOST_FAILURES])


def _missing(exercise: Exercise, place: Workplace, why: str) -> Score:
    count = len(place.trials[exercise.id])
    return Score(exercise.id, exercise.points, 0.0, 0, count, [["", why, exercise.file]])


def digest_of(path: Path) -> str:
    """A checksum of a submission, file or folder."""
    digest = hashlib.sha256()
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        digest.update(str(file.relative_to(path) if path.is_dir() else "").encode())
        try:
            with file.open("rb") as opened:
                digest.update(hashlib.file_digest(opened, "sha256").digest())
        except OSError:
            digest.update(b"unreadable")
    return digest.hexdigest()


def _file(results: Path, path: Path) -> Path:
    return results / f"{path.stem if path.suffix == '.zip' else path.name}.json"


def _known(path: Path, place: Workplace, results: Path | None) -> dict[str, Any] | None:
    """The record of an earlier run, when it is of the same submission and the same trials."""
    if results is None or not _file(results, path).is_file():
        return None
    try:
        record = read_json(_file(results, path))
    except (InputError, FormatError):
        return None
    same = isinstance(record, dict) and record.get("place") == place.fingerprint
    return record if same and record.get("digest") == digest_of(path) else None
