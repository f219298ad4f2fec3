"""Check the exercises of a handout: run the student's code on the public trials, and say what is wrong."""

import ast
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from minicap.assignments.manifest import PACKAGE, Assignment, Exercise
from minicap.assignments.running import Worker
from minicap.assignments.sources import kernels
from minicap.assignments.trials import PUBLIC, Trial, read
from minicap.assignments.verdict import Verdict, judge
from minicap.errors import InputError

ROOT = PACKAGE.parent


@dataclass(frozen=True)
class Result:
    """How an exercise stands.

    passed, trials: how many of its public trials pass, and how many there are.
    failure: the name of the first that does not, its verdict in words, and "file:line" to look at.
    written: False while nothing has been written.
    """

    exercise: Exercise
    passed: int
    trials: int
    trial: str = ""
    text: str = ""
    where: str = ""
    written: bool = True

    @property
    def done(self) -> bool:
        return self.passed == self.trials


def public_trials(assignment: Assignment) -> list[Trial]:
    """The trials that came with the handout.  Raises InputError outside of one."""
    file = assignment.folder / PUBLIC
    if not file.is_file():
        raise InputError(
            f"{assignment.folder} has no {PUBLIC}: this is no handout; "
            f"make one with minicap assign build {assignment.id} -o DIR"
        )
    return read(file)


def check(assignment: Assignment, exercises: Sequence[Exercise]) -> Iterator[Result]:
    """Check some exercises, one after the other, in a separate process."""
    trials = public_trials(assignment)
    file = assignment.folder / "calls.py"
    calls = file.read_text(encoding="utf-8") if file.is_file() else ""
    variables = dict(os.environ) | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    with Worker(variables=variables, folder=ROOT) as worker:
        for exercise in exercises:
            own = [trial for trial in trials if trial.exercise == exercise.id]
            yield check_exercise(worker, exercise, own, calls)


def check_exercise(worker: Worker, exercise: Exercise, trials: Sequence[Trial], calls: str) -> Result:
    """Run the trials of an exercise; skip the rest once it turns out not to be begun, or takes too long."""
    passed = 0
    first: tuple[Trial, Verdict] | None = None
    for trial in trials:
        verdict = judge(trial, worker.ask(trial.request(calls), trial.seconds))
        passed += verdict.passed
        if not verdict.passed:
            first = first or (trial, verdict)
            if not verdict.written or "time limit" in verdict.text:
                break
    if first is None:
        return Result(exercise, passed, len(trials))
    trial, verdict = first
    where = (exercise.is_python and _relative(verdict.where)) or _place(exercise)  # kernels name their line
    return Result(exercise, passed, len(trials), trial.name, verdict.text, where, verdict.written)


def _relative(where: str) -> str:
    file, _, line = where.rpartition(":")
    if not file or not Path(file).is_file():
        return ""
    path = Path(file).resolve()
    return f"{path.relative_to(ROOT).as_posix()}:{line}" if path.is_relative_to(ROOT) else f"{file}:{line}"


def _place(exercise: Exercise) -> str:
    """Where the function of an exercise begins: "minicap/layers/conv.py:24"."""
    try:
        text = (ROOT / exercise.file).read_text(encoding="utf-8")
        if not exercise.is_python:
            return f"{exercise.file}:{kernels(text)[exercise.function][0]}"
        tree = ast.parse(text)
    except (OSError, KeyError, SyntaxError, ValueError):
        return exercise.file
    name = exercise.function.rpartition(".")[2]
    lines = [n.lineno for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == name]
    return f"{exercise.file}:{lines[0]}" if lines else exercise.file
