"""Compare a layer's gradients with the measured ones, row by row."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minicap.gradcheck.derivatives import (
    COMPLEX_TOLERANCE,
    FLOAT32_TOLERANCE,
    STEP,
    TOLERANCE,
    Derivative,
    relative_error,
)
from minicap.gradcheck.diagnosis import diagnose
from minicap.gradcheck.exercise import Run, exercise
from minicap.gradcheck.layouts import LAYOUTS, Layout, contiguous
from minicap.gradcheck.measure import Reference
from minicap.gradcheck.report import OK, Row
from minicap.gradcheck.subject import Misfit, Subject

KINKS_ALLOWED = 0.1  # share of an argument's entries that may be skipped


def judge(subject: Subject, reference: Reference) -> Iterator[Row]:
    """Run forward and backward, and compare the results with the reference, row by row."""
    try:
        run = exercise(subject, np.float64, reference.cotangents)
    except Misfit as misfit:
        yield failure(subject, str(misfit))
        return
    for complaint in run.complaints:
        yield failure(subject, complaint)
    if reference.complaint:
        yield failure(subject, reference.complaint, dtype="complex128")
    for position in range(len(subject.arguments)):
        yield _judge_argument(subject, reference, run, position)
    for way in _WAYS[:2] if subject.directions else _WAYS:  # each costs time, so one dtype and one layout
        yield from _judge_again(subject, reference, run, way)


def failure(subject: Subject, verdict: str, dtype: str = "float64") -> Row:
    """A row for something that is wrong with the subject as a whole."""
    return Row(subject.layer, subject.variant, dtype=dtype, verdict=verdict)


def _judge_argument(subject: Subject, reference: Reference, run: Run, position: int) -> Row:
    name = subject.arguments[position]
    derivative = reference.derivatives[position]
    row = Row(subject.layer, subject.variant, name, step=derivative.step)
    problem = _misshapen(subject, run.gradients, position, np.float64)
    if problem:
        return replace(row, verdict=problem)
    gradient, counted = derivative.seen(run.gradients[position]), ~derivative.kinks
    resolution = derivative.noise / TOLERANCE
    if derivative.directions is not None:  # one direction may happen to be all but level
        resolution = max(resolution, float(np.linalg.norm(run.gradients[position])))
    error, worst = relative_error(gradient, derivative.values, counted, resolution)
    verdicts = []
    complex_error = None
    if reference.complex_gradients is not None:
        complex_error, _ = relative_error(
            gradient,
            reference.complex_gradients[position],
            np.ones(gradient.shape, dtype=bool),
            resolution * STEP * TOLERANCE / COMPLEX_TOLERANCE,  # the step magnifies rounding into noise
        )
        if not complex_error <= COMPLEX_TOLERANCE:
            verdicts = [
                f"central differences agree but the complex step does not ({complex_error:.1e} > "
                f"{COMPLEX_TOLERANCE:.0e}): the gradient is not quite exact, or the case is not smooth"
            ]
    if not error <= TOLERANCE:
        verdicts = [f"error {error:.1e} > {TOLERANCE:.0e}; {_diagnosis(subject, reference, run, position)}"]
    skipped = int(derivative.kinks.sum())
    if skipped > KINKS_ALLOWED * gradient.size:
        what = "entries" if derivative.directions is None else "directions"
        verdicts.append(
            f"{skipped} of {gradient.size} {what} lie at a kink (or the function bends within a step of "
            f"{derivative.step:.0e}); choose inputs away from kinks"
        )
    return replace(
        row,
        error=error,
        complex_error=complex_error,
        worst=worst if derivative.directions is None else None,
        analytic=float(gradient[worst]) if counted.any() else None,
        numeric=float(derivative.values[worst]) if counted.any() else None,
        entries=gradient.size,
        skipped=skipped,
        verdict="; ".join(verdicts) or OK,
    )


class _Way(NamedTuple):
    """Another way to pass the same numbers, which must give the same gradients."""

    dtype: Any
    layout: Layout
    words: str  # "... in float32", "... of strided arrays"
    instead_of: str
    tolerance: float
    rounding: float  # how much coarser than float64 it rounds


_WAYS = [
    _Way(np.float32, contiguous, "in float32", "in float64", FLOAT32_TOLERANCE, 1e9),
    *(
        _Way(np.float64, layout, f"of {name} arrays", "of contiguous ones", TOLERANCE, 1)
        for name, layout in LAYOUTS.items()
    ),
]


def _judge_again(subject: Subject, reference: Reference, run: Run, way: _Way) -> Iterator[Row]:
    """dtype in is dtype out, and the results are those of the first run but for rounding.  Failures only."""
    dtype, single = np.dtype(way.dtype).name, way.dtype == np.float32
    if single and not subject.float32:
        return
    if subject.takes and not subject.takes(**subject.inputs_as(way.dtype, layout=way.layout)):
        return
    try:
        again = exercise(subject, way.dtype, reference.cotangents, way.layout)
    except Misfit as misfit:
        yield failure(
            subject, str(misfit) if single else f"with inputs and dout {way.words}: {misfit}", dtype
        )
        return
    for complaint in again.complaints:
        if complaint not in run.complaints:
            yield failure(subject, complaint, dtype)
    if not single:
        for (name, out), (_, first) in zip(again.outputs, run.outputs, strict=True):
            error, _ = relative_error(out, first, np.ones(out.shape, dtype=bool))
            if not error <= way.tolerance:
                yield failure(subject, f"{name} {way.words} is {error:.1e} away from {name} {way.instead_of}")
    for position, (name, derivative) in enumerate(zip(subject.arguments, reference.derivatives, strict=True)):
        problem = _misshapen(subject, again.gradients, position, way.dtype)
        if _misshapen(subject, run.gradients, position, np.float64):
            continue  # has its row
        if not problem:
            gradient, first = (np.asarray(r.gradients[position], np.float64) for r in (again, run))
            counted = (
                np.ones(first.shape, dtype=bool) if derivative.directions is not None else ~derivative.kinks
            )
            noise = derivative.noise * STEP * way.rounding
            error, _ = relative_error(gradient, first, counted, noise / way.tolerance)
            if error <= way.tolerance:
                continue
            problem = f"d{name} {way.words} is {error:.1e} away from d{name} {way.instead_of}"
        yield Row(subject.layer, subject.variant, name, dtype=dtype, verdict=problem)


def _misshapen(subject: Subject, gradients: list[Any], position: int, dtype: Any) -> str:
    """What is wrong with a gradient before its numbers are looked at; "" when nothing is."""
    name, gradient = subject.arguments[position], gradients[position]
    shapes = [argument.shape for argument in subject.differentiated(subject.inputs)]
    if gradient is None:
        return f"d{name} is None"
    if not isinstance(gradient, (np.ndarray, np.generic)):
        return f"d{name} is a {type(gradient).__name__}, not an array"
    if gradient.shape != shapes[position]:
        problem = f"d{name} has shape {gradient.shape} but {name} has {shapes[position]}"
        if gradient.shape in shapes:
            other = subject.arguments[shapes.index(gradient.shape)]
            problem += f", as {other} has; gradients come in the order of the arguments"
        return problem
    if gradient.dtype != dtype:
        return f"d{name} is {gradient.dtype} but the inputs are {np.dtype(dtype)}"
    if not np.isfinite(gradient).all():
        return f"d{name} is not finite in {int((~np.isfinite(gradient)).sum())} of {gradient.size} entries"
    return ""


def _diagnosis(subject: Subject, reference: Reference, run: Run, position: int) -> str:
    if reference.derivatives[position].directions is not None:
        return f"d{subject.arguments[position]} is wrong along a random direction"
    measured = [_where_smooth(d, g) for d, g in zip(reference.derivatives, run.gradients, strict=True)]
    first = subject.differentiated(subject.inputs)[0]
    return diagnose(
        position,
        [np.asarray(g) for g in run.gradients],
        measured,
        subject.arguments,
        len(np.atleast_1d(first)),
    )


def _where_smooth(derivative: Derivative, gradient: Any) -> Any:
    """The measured values, with the gradient's own at the kinks."""
    if np.shape(gradient) != derivative.values.shape:
        return derivative.values
    return np.where(derivative.kinks, np.asarray(gradient), derivative.values)
