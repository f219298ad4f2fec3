"""Of the classic mistakes, the first line of the check names the right cause."""

import pytest
from classic_mistakes import MISTAKES
from classic_mistakes.speed import step, step_back
from solving_assignments import standing_in

from minicap.assignments import manifest
from minicap.assignments.teacher.drawing import calls_text
from minicap.assignments.teacher.mistakes import load_mistakes
from minicap.assignments.teacher.solution import solution
from minicap.assignments.trials import PUBLIC, unpack
from minicap.assignments.values import decode
from minicap.assignments.verdict import judge
from minicap.assignments.worker import answer


@pytest.fixture
def first_line(handout_of):
    """What the check says of a body; "" when it passes."""

    def check(name: str, id: str, body: str) -> str:
        assignment, files = manifest.find(name), handout_of(name).files
        exercise = assignment.exercise(id)
        trials = unpack(files[f"assignments/{name}/{PUBLIC}"], PUBLIC)
        calls = calls_text(assignment.folder)
        with standing_in(files, exercise, body):
            verdicts = [
                judge(trial, decode(answer(trial.request(calls)))) for trial in trials if trial.exercise == id
            ]
        return next((verdict.text for verdict in verdicts if not verdict.passed), "")

    return check


@pytest.mark.parametrize(
    ("name", "exercise", "cause", "body"), MISTAKES, ids=[f"{m[1]}: {m[2]}" for m in MISTAKES]
)
def test_the_first_line_names_the_cause(name, exercise, cause, body, first_line):
    assert cause in first_line(name, exercise, body)


def test_an_array_of_several_is_called_by_its_name(first_line):
    assert first_line("a5", "lstm_step", step(bias="0")).startswith("gates (2, 3, 16) is off by")


def test_there_are_more_than_forty_of_them():
    assert len({(exercise, cause) for _, exercise, cause, _ in MISTAKES}) >= 40


@pytest.mark.parametrize("name", ["a1", "a2", "a3", "a4", "a5"])
def test_every_mistake_of_the_tables_is_noted(name, handout_of):
    """One that is not may be an edit of a line that reads otherwise by now."""
    trials = unpack(handout_of(name).files[f"assignments/{name}/{PUBLIC}"], PUBLIC)
    noted = {(trial.exercise, cause) for trial in trials for cause, _, _ in trial.mistakes}
    listed = {(m.exercise, m.cause) for m in load_mistakes(manifest.find(name).folder)}
    assert listed - noted == set()


@pytest.mark.parametrize(("exercise", "body"), [("lstm_step", step()), ("lstm_step_gradient", step_back())])
def test_kernels_that_hold_no_mistake_pass(exercise, body, first_line):
    assert first_line("a5", exercise, body) == ""


@pytest.mark.parametrize("name", ["a1", "a2"])
def test_right_bodies_pass(name, first_line):
    for exercise in manifest.find(name).exercises:
        if not exercise.call:
            assert first_line(name, exercise.id, solution(exercise)) == ""
