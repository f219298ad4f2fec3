"""Draw trials from the reference: inputs from the gradient-check cases, right answers from the real code.

Every gradient that is expected of a student has been compared with the numeric gradient of the reference's
forward; the student's own forward has no part in it.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np

from minicap.arrays import textbook
from minicap.assignments.fingerprints import fingerprints
from minicap.assignments.manifest import Assignment, Exercise
from minicap.assignments.teacher.mistakes import Mistake, in_place, load_mistakes
from minicap.assignments.trials import Trial, seed_of
from minicap.assignments.values import leaves, names_only
from minicap.errors import FormatError
from minicap.gradcheck.case import Case
from minicap.gradcheck.library import load_cases
from minicap.gradcheck.measure import measure
from minicap.gradcheck.subject import Subject

TOLERANCE, FLOAT32_TOLERANCE = 1e-6, 1e-3
AGREEMENT = 1e-6  # between the reference's gradients and the measured ones, relative to their length
DIRECTIONS = 2  # in which they are measured; gradcheck measures the same cases entry by entry
PUBLIC_SECRET = "public"


def draw(assignment: Assignment, secret: str = PUBLIC_SECRET, only: Sequence[str] = ()) -> list[Trial]:
    """The trials of an assignment, or of the exercises named.

    secret: what the numbers come from.  With any secret but that of the public ones, the hidden
    variants are among them.  Raises FormatError when the reference is wrong, or a case is missing.
    """
    cases = [*load_cases(), *own_cases(assignment)]
    mistakes = load_mistakes(assignment.folder)
    calls = namespace_of(assignment.folder)
    trials: list[Trial] = []
    for exercise in assignment.exercises:
        if not only or exercise.id in only:
            own = [m for m in mistakes if m.exercise == exercise.id]
            trials += _draw_exercise(exercise, cases, secret, own, calls)
    return trials


def own_cases(assignment: Assignment) -> list[Case]:
    """The cases of the assignment's cases.py, if it has one."""
    file = assignment.folder / "cases.py"
    if not file.is_file():
        return []
    names: dict[str, Any] = {"__name__": f"cases of {assignment.id}"}
    exec(compile(file.read_text(encoding="utf-8"), str(file), "exec"), names)
    return list(names["CASES"])


def calls_text(folder: Path) -> str:
    """The text of the assignment's calls.py, or ""."""
    file = folder / "calls.py"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def namespace_of(folder: Path) -> dict[str, Any]:
    """The functions of the assignment's calls.py."""
    names: dict[str, Any] = {"__name__": "calls"}
    exec(compile(calls_text(folder), str(folder / "calls.py"), "exec"), names)
    return names


def _draw_exercise(
    exercise: Exercise, cases: Sequence[Case], secret: str, mistakes: list[Mistake], calls: dict[str, Any]
) -> Iterator[Trial]:
    chosen = [c for c in cases if c.layer == exercise.layer]
    public = [c for c in chosen if c.variant in exercise.variants] if exercise.variants else chosen
    public = [c for c in public if not c.directions and c.variant not in exercise.hidden]
    hidden = [c for c in chosen if c.variant in exercise.hidden] if secret != PUBLIC_SECRET else []
    missing = {*exercise.variants, *exercise.hidden} - {c.variant for c in chosen}
    if missing or not public:
        raise FormatError(f"exercise {exercise.id}: there is no case {exercise.layer!r} {sorted(missing)}")
    for case in public + hidden:
        seed = seed_of(exercise.id, case.variant, secret)
        yield _draw_one(exercise, case, seed, np.float64, mistakes, calls)
    first = public[0]
    if exercise.call:
        return
    seed = seed_of(exercise.id, "float32", secret)
    yield _draw_one(exercise, first._replace(variant="float32"), seed, np.float32, [], calls)


def _draw_one(
    exercise: Exercise,
    case: Case,
    seed: int,
    dtype: Any,
    mistakes: list[Mistake],
    calls: dict[str, Any],
) -> Trial:
    module: Any = import_module(exercise.module) if exercise.is_python else None
    name = exercise.function
    inputs = case.make(np.random.default_rng(seed))
    args: list[Any] = []
    names: list[str] = []
    kwargs: dict[str, Any] = dict(inputs)
    labels: list[str] = []
    if not exercise.call:
        forward = getattr(module, name.replace("_backward", "_forward"))
        backward = getattr(module, name.replace("_forward", "_backward"), None)
        if name.endswith("_loss"):
            backward = None
        is_pair = name.endswith(("_forward", "_backward"))
        subject = Subject(
            case.layer, case.variant, forward, backward, inputs, case.fixed, False, directions=case.directions
        )
        kwargs = subject.inputs_as(dtype)
        if name.endswith("_backward"):
            args, names, labels = _backward_call(subject, kwargs, dtype, seed)
            kwargs = {}
        elif is_pair:
            labels = ["out", "cache"]
        else:
            labels = ["the loss", *(f"d{argument}" for argument in subject.arguments)]

    def answer() -> Any:
        # A fresh look-up every time: a mistake may stand in the function's place.
        asked: Any = calls[exercise.call] if exercise.call else getattr(module, name)
        with textbook(), np.errstate(all="ignore"):
            return names_only(asked(*args, **kwargs))

    with recording(module, exercise.needs) as needs:
        expected = answer()
    if labels and (not isinstance(expected, tuple) or hasattr(expected, "_fields")):
        labels = labels[:1]
    elif labels and len(labels) != len(expected):
        ends = ["cache"] if labels[-1] == "cache" else []
        labels = [f"output {n + 1}" for n in range(len(expected) - len(ends))] + ends
    wrong: list[Any] = []
    for mistake in () if case.directions else mistakes:
        try:
            with in_place(exercise, mistake):
                wrong += fingerprints(mistake.cause, answer(), expected, labels)
        except Exception:  # a mistake may raise; then there is nothing to recognise
            continue
    return Trial(
        exercise.id,
        case.variant or "plain",
        exercise.module,
        name,
        exercise.call,
        args,
        names,
        kwargs,
        expected,
        labels,
        needs,
        wrong,
        _is_trivial(expected, [*args, *kwargs.values()]),
        FLOAT32_TOLERANCE if dtype == np.float32 else TOLERANCE,
        exercise.seconds,
    )


def _backward_call(
    subject: Subject, inputs: dict[str, Any], dtype: Any, seed: int
) -> tuple[list[Any], list[str], list[str]]:
    """What a backward is handed, those arguments' names, and the names of the gradients."""
    assert subject.backward is not None
    with textbook():
        outs, cache = subject.outputs_and_cache(subject.call(inputs))
        if dtype == np.float64 and not subject.directions:
            douts = _verified(subject, seed)
        else:
            rng = np.random.default_rng(seed + 1)
            douts = [rng.normal(size=np.shape(out)).astype(dtype) for out in outs]
    handed = [*douts, cache]
    names = ["dout"] if len(douts) == 1 else [f"dout {n + 1}" for n in range(len(douts))]
    given = [n for n in subject.parameters if n not in subject.fixed and _may_differ(subject, n)]
    return handed, [*names, "cache"], [f"d{name}" for name in given]


def _may_differ(subject: Subject, name: str) -> bool:
    value = subject.inputs.get(name, subject.parameters[name].default)
    is_float = isinstance(value, np.ndarray) and value.dtype.kind == "f"
    return is_float or (value is None and name != "mask" and name != "rng" and name != "padding_index")


def _verified(subject: Subject, seed: int) -> list[Any]:
    """Upstream gradients with which the reference's backward agrees with numeric gradients of its forward."""
    assert subject.backward is not None
    along = replace(subject, directions=DIRECTIONS)
    reference = measure(along, seed + 1)
    _, cache = along.outputs_and_cache(along.call(along.inputs_as(np.float64)))
    gradients = along.gradients_from(subject.backward(*reference.cotangents, cache))
    for name, gradient, derivative in zip(along.arguments, gradients, reference.derivatives, strict=True):
        off = np.abs(derivative.seen(gradient) - derivative.values)[~derivative.kinks]
        if off.size and off.max() > AGREEMENT * max(1.0, float(np.linalg.norm(gradient))):
            raise FormatError(f"the reference's d{name} of {subject.layer} is off by {off.max():.1e}")
    return list(reference.cotangents)


@contextmanager
def recording(module: Any, needs: Sequence[str]) -> Iterator[dict[str, list[Any]]]:
    """Note the calls of functions that a module knows by these names, inside the `with` block.

    A call is noted as its arguments by name and its result; `out`, memory for the result, is no argument.
    """
    calls: dict[str, list[Any]] = {name: [] for name in needs}
    own = {name: getattr(module, name) for name in needs}

    def noted(name: str) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            given = signature(own[name]).bind(*args, **kwargs).arguments
            before = names_only({key: value for key, value in given.items() if key != "out"})
            result = own[name](*args, **kwargs)
            calls[name].append([before, names_only(result)])
            return result

        return call

    for name in needs:
        setattr(module, name, noted(name))
    try:
        yield calls
    finally:
        for name in needs:
            setattr(module, name, own[name])


def _is_trivial(expected: Any, handed: list[Any]) -> bool:
    """Whether every array of the answer is constant, or one of the arrays that were handed over."""
    given = [leaf for _, leaf in leaves(names_only(handed)) if isinstance(leaf, np.ndarray)]
    answers = [leaf for _, leaf in leaves(expected) if isinstance(leaf, np.ndarray) and leaf.size > 1]
    return bool(answers) and all(
        np.ptp(answer) == 0 or any(np.array_equal(answer, array) for array in given) for answer in answers
    )
