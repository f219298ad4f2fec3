"""Check one layer or loss: measure its derivatives from the forward, then judge the gradients it gives."""

import copy
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array
from minicap.gradcheck.case import Inputs, away_from_zero
from minicap.gradcheck.derivatives import (
    COMPLEX_TOLERANCE,
    FLOAT32_TOLERANCE,
    STEP,
    TOLERANCE,
    Derivative,
    central_differences,
    complex_step,
    relative_error,
)
from minicap.gradcheck.diagnosis import diagnose
from minicap.gradcheck.nested import flatten, is_float, map_leaves
from minicap.gradcheck.purity import call_frozen
from minicap.gradcheck.report import OK, Report, Row
from minicap.gradcheck.subject import Misfit, Subject

KINKS_ALLOWED = 0.1  # share of an argument's entries that may be skipped


class Reference(NamedTuple):
    """What the forward alone says about the gradients; no backward has a part in it."""

    cotangents: list[Any]  # random upstream gradients, nested like the outputs; for a loss ones
    derivatives: list[Derivative]  # by central differences, one for each argument
    complex_gradients: list[Array] | None  # by the complex step; None where the case is not smooth
    complaint: str  # why the complex step could not run


def check_subject(subject: Subject, seed: int = 0) -> Report:
    """Measure and judge; whatever goes wrong becomes a row."""
    try:
        reference = measure(subject, seed)
    except Misfit as misfit:
        return Report([_failure(subject, str(misfit))])
    return Report(judge(subject, reference))


def check_pair(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Inputs,
    fixed: tuple[str, ...] = (),
    *,
    smooth: bool = False,
    float32: bool = False,
    seed: int = 0,
) -> Report:
    """Check your own pair  out, cache = forward(**inputs);  dx, dw, ... = backward(dout, cache).

    inputs: the forward's arguments by name.  Every float array among them must get a gradient, in the order
    of the forward's signature, but those named in fixed.  With several outputs: forward returns
    (out1, out2, cache) and backward takes (dout1, dout2, cache).
    smooth: also judge by the complex step (the forward must accept complex arrays).
    float32: also demand that float32 inputs give float32 gradients.
    Returns a Report: it prints as a table, and its `passed` is True or False.
    """
    name = getattr(forward, "__name__", "forward").removesuffix("_forward")
    return check_subject(Subject(name, "", forward, backward, inputs, fixed, smooth, float32), seed)


def check_loss(
    loss: Callable[..., Any],
    inputs: Inputs,
    fixed: tuple[str, ...] = (),
    *,
    smooth: bool = False,
    float32: bool = False,
) -> Report:
    """Check your own loss  value, dscores, ... = loss(**inputs)  as check_pair checks a pair.

    The gradients are those of the value itself (of the sum of the values when it is an array).
    """
    name = getattr(loss, "__name__", "loss")
    return check_subject(Subject(name, "", loss, None, inputs, fixed, smooth, float32))


class Objective(NamedTuple):
    """The number that is differentiated: the sum over the outputs of cotangent times output."""

    change: Callable[[], float]  # the objective now minus what it was before any argument was touched
    arguments: list[Array]  # float64, to be perturbed in place
    magnitude: float  # size of what is summed, for the rounding error
    cotangents: list[Any]  # random, nested like the outputs; for a loss ones


def objective(subject: Subject, seed: int = 0) -> Objective:
    """The subject's objective at its inputs.

    Raises Misfit when the forward cannot be run, is not finite, or gives other outputs when called again.
    """
    if not subject.arguments:
        raise Misfit("no argument is an array of floats, so there is nothing to differentiate")
    inputs = subject.inputs_as(np.float64)
    name = "forward" if subject.backward else "the loss"
    result, complaints = _guarded(name, lambda: subject.call(inputs), dict(inputs))
    outs, _ = subject.outputs_and_cache(result)
    for which, out in _named_outputs(outs, subject.backward is None):
        if not np.isfinite(out).all():
            raise Misfit(f"{which} is not finite")
    rng = np.random.default_rng(seed)
    cotangents = map_leaves(lambda leaf: _cotangent(rng, leaf, subject.backward is None), outs)
    outputs = _outputs(subject, subject.inputs_as(np.float64), impure=bool(complaints))
    weights, before = _weights(cotangents), [out.copy() for out in outputs.now()]

    def change() -> float:
        return float(
            sum(np.vdot(w, out - o) for w, out, o in zip(weights, outputs.now(), before, strict=True))
        )

    if change() != 0.0:
        raise Misfit(f"{name} gives other outputs when called again with the same inputs; fix its seed")
    magnitude = float(np.sqrt(sum(np.sum((w * o) ** 2) for w, o in zip(weights, before, strict=True))))
    return Objective(change, outputs.arguments, magnitude, cotangents)


def measure(subject: Subject, seed: int = 0) -> Reference:
    """Differentiate the forward by central differences and, where it is smooth, by the complex step.

    Raises Misfit as objective does, or when the forward fails at perturbed inputs.
    """
    target = objective(subject, seed)
    with np.errstate(all="ignore"):
        try:
            derivatives = [central_differences(target.change, x, target.magnitude) for x in target.arguments]
        except Exception as error:
            raise Misfit(f"forward raises at perturbed inputs: {_words(error)}") from error
        complex_gradients, complaint = _complex_gradients(subject, _weights(target.cotangents))
    return Reference(target.cotangents, derivatives, complex_gradients, complaint)


def gradients_of(subject: Subject, cotangents: list[Any]) -> list[Any]:
    """The subject's own gradients in float64, one for each argument.  Raises Misfit when there are none."""
    return _exercise(subject, np.float64, cotangents).gradients


def judge(subject: Subject, reference: Reference) -> Iterator[Row]:
    """Run forward and backward, and compare what they give with the reference, row by row."""
    try:
        run = _exercise(subject, np.float64, reference.cotangents)
    except Misfit as misfit:
        yield _failure(subject, str(misfit))
        return
    for complaint in run.complaints:
        yield _failure(subject, complaint)
    if reference.complaint:
        yield _failure(subject, reference.complaint, dtype="complex128")
    for position in range(len(subject.arguments)):
        yield _judge_argument(subject, reference, run, position)
    if subject.float32:
        yield from _judge_float32(subject, reference, run)


class _Outputs(NamedTuple):
    now: Callable[[], list[Array]]  # the forward's float outputs at the present values of `arguments`
    arguments: list[Array]  # to be perturbed in place


def _outputs(subject: Subject, inputs: Inputs, impure: bool) -> _Outputs:
    def view(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        window = leaf.view()
        window.flags.writeable = False
        return window

    handed = map_leaves(view, inputs)
    # A generator moves on when it is drawn from, and a forward that writes needs arrays of its own.
    copied = impure or any(isinstance(leaf, np.random.Generator) for leaf in flatten(list(inputs.values())))

    def now() -> list[Array]:
        given = copy.deepcopy(handed) if copied else handed
        outs, _ = subject.outputs_and_cache(subject.call(given))
        return [np.asarray(leaf) for leaf in flatten(outs) if is_float(leaf) or subject.backward is None]

    return _Outputs(now, subject.differentiated(inputs))


def _cotangent(rng: np.random.Generator, leaf: Any, is_loss: bool) -> Any:
    """Random numbers away from zero, like an output; for a loss the gradient of its (summed) value, ones."""
    if is_loss:
        return np.ones(np.shape(leaf))
    return np.asarray(away_from_zero(rng, leaf.shape)) if is_float(leaf) else None


def _weights(cotangents: list[Any]) -> list[Array]:
    return [leaf for leaf in flatten(cotangents) if leaf is not None]


def _complex_gradients(subject: Subject, weights: list[Array]) -> tuple[list[Array] | None, str]:
    """Gradients by the complex step, or why there are none."""
    if not subject.smooth:
        return None, ""
    complaint = ""
    # Masks and running statistics may have to share the dtype of x, or to stay real: either will do.
    for fixed_too in (True, False):
        outputs = _outputs(subject, subject.inputs_as(np.complex128, fixed_too), impure=False)

        def imaginary(outputs: _Outputs = outputs) -> float:
            return float(sum(np.vdot(w, out.imag) for w, out in zip(weights, outputs.now(), strict=True)))

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                if any(out.dtype.kind != "c" for out in outputs.now()):
                    raise TypeError("complex128 inputs give real outputs")
                return [complex_step(imaginary, x) for x in outputs.arguments], ""
        except Exception as error:
            complaint = complaint or f"cannot run in complex numbers, so it is not smooth: {_words(error)}"
    return None, complaint


class _Run(NamedTuple):
    gradients: list[Any]  # as returned, one for each argument
    complaints: list[str]  # what is wrong with the calls as such


def _exercise(subject: Subject, dtype: Any, cotangents: list[Any]) -> _Run:
    """Forward and backward as a network would call them, with everything they are handed frozen.

    Between the two, the pair runs at another point, so that a state kept between calls shows.
    """
    inputs = subject.inputs_as(dtype)
    if subject.backward is None:
        _run_elsewhere(subject, dtype, cotangents)

        def call() -> Any:
            return subject.call(inputs)

        result, complaints = _guarded("the loss", call, dict(inputs))
        outs, _ = subject.outputs_and_cache(result)
        gradients = subject.gradients_from(result[1:])
        again = subject.gradients_from(call()[1:]) if not complaints else gradients
    else:
        result, complaints = _guarded("forward", lambda: subject.call(inputs), dict(inputs))
        outs, cache = subject.outputs_and_cache(result)
        _run_elsewhere(subject, dtype, cotangents)
        douts = map_leaves(lambda leaf: leaf if leaf is None else leaf.astype(dtype), cotangents)
        backward = subject.backward
        handed = dict(zip(_dout_names(len(douts)), douts, strict=True)) | {"cache": cache}
        returned, written = _guarded("backward", lambda: backward(*douts, cache), handed)
        gradients = [g.copy() if isinstance(g, np.ndarray) else g for g in subject.gradients_from(returned)]
        again = subject.gradients_from(_guarded("backward", lambda: backward(*douts, cache), handed)[0])
        complaints = complaints + written
    if not all(_equal(a, b) for a, b in zip(gradients, again, strict=True)):
        complaints = [*complaints, "called a second time with the same arguments, it gives other gradients"]
    for name, out in _named_outputs(outs, subject.backward is None):
        if out.dtype != dtype:
            complaints = [*complaints, f"{name} is {out.dtype} but the inputs are {np.dtype(dtype)}"]
    return _Run(gradients, complaints)


def _run_elsewhere(subject: Subject, dtype: Any, cotangents: list[Any]) -> None:
    """Run the pair or the loss at another point and forget the result."""
    with suppress(Exception):  # the other point need not be in the layer's domain; this one is what counts
        result = subject.call(subject.elsewhere(dtype))
        if subject.backward is not None:
            _, cache = subject.outputs_and_cache(result)
            subject.backward(
                *map_leaves(lambda leaf: leaf if leaf is None else -2 * leaf.astype(dtype), cotangents), cache
            )


def _judge_argument(subject: Subject, reference: Reference, run: _Run, position: int) -> Row:
    name = subject.arguments[position]
    gradient, derivative = run.gradients[position], reference.derivatives[position]
    row = Row(subject.layer, subject.variant, name, step=derivative.step)
    problem = _misshapen(name, gradient, derivative.values, np.float64)
    if problem:
        return replace(row, verdict=problem + _whose_shape(subject, reference, np.shape(gradient), position))
    gradient, counted = np.asarray(gradient), ~derivative.kinks
    error, worst = relative_error(gradient, derivative.values, counted, derivative.noise / TOLERANCE)
    verdicts = []
    complex_error = None
    if reference.complex_gradients is not None:
        rounding = derivative.noise * STEP  # what the step magnifies into noise
        complex_error, _ = relative_error(
            gradient,
            reference.complex_gradients[position],
            np.ones(gradient.shape, dtype=bool),
            rounding / COMPLEX_TOLERANCE,
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
        verdicts.append(
            f"{skipped} of {gradient.size} entries lie at a kink (or the function bends within a step of "
            f"{derivative.step:.0e}); choose inputs away from kinks"
        )
    return replace(
        row,
        error=error,
        complex_error=complex_error,
        worst=worst,
        analytic=float(gradient[worst]) if counted.any() else None,
        numeric=float(derivative.values[worst]) if counted.any() else None,
        entries=gradient.size,
        skipped=skipped,
        verdict="; ".join(verdicts) or OK,
    )


def _judge_float32(subject: Subject, reference: Reference, run: _Run) -> list[Row]:
    """dtype in is dtype out, and float32 gradients are those of float64 but for rounding.  Failures only."""
    try:
        single = _exercise(subject, np.float32, reference.cotangents)
    except Misfit as misfit:
        return [_failure(subject, str(misfit), dtype="float32")]
    rows = [
        _failure(subject, complaint, dtype="float32")
        for complaint in single.complaints
        if complaint not in run.complaints
    ]
    pairs = zip(subject.arguments, single.gradients, run.gradients, reference.derivatives, strict=True)
    for name, gradient, double, derivative in pairs:
        problem = _misshapen(name, gradient, derivative.values, np.float32)
        if problem and problem == _misshapen(name, double, derivative.values, np.float64):
            continue
        if not problem:
            noise = derivative.noise * STEP * 1e9  # float32 rounds about 1e9 times as coarsely
            counted = ~derivative.kinks
            error, _ = relative_error(
                np.asarray(gradient, np.float64), np.asarray(double), counted, noise / FLOAT32_TOLERANCE
            )
            if error <= FLOAT32_TOLERANCE:
                continue
            problem = f"d{name} in float32 is {error:.1e} away from d{name} in float64"
        rows.append(Row(subject.layer, subject.variant, name, dtype="float32", verdict=problem))
    return rows


def _misshapen(name: str, gradient: Any, like: Array, dtype: Any) -> str:
    """What is wrong with a gradient before its numbers are looked at; "" when nothing is."""
    if gradient is None:
        return f"d{name} is None"
    if not isinstance(gradient, (np.ndarray, np.generic)):
        return f"d{name} is a {type(gradient).__name__}, not an array"
    if gradient.shape != like.shape:
        return f"d{name} has shape {gradient.shape} but {name} has {like.shape}"
    if gradient.dtype != dtype:
        return f"d{name} is {gradient.dtype} but the inputs are {np.dtype(dtype)}"
    if not np.isfinite(gradient).all():
        return f"d{name} is not finite in {int((~np.isfinite(gradient)).sum())} of {gradient.size} entries"
    return ""


def _whose_shape(subject: Subject, reference: Reference, shape: tuple[int, ...], position: int) -> str:
    """A hint for a gradient of a wrong shape: which other argument has it."""
    shapes = [derivative.values.shape for derivative in reference.derivatives]
    if shape != shapes[position] and shape in shapes:
        return (
            f", as {subject.arguments[shapes.index(shape)]} has; gradients go in the order of the arguments"
        )
    return ""


def _diagnosis(subject: Subject, reference: Reference, run: _Run, position: int) -> str:
    measured = [
        np.where(d.kinks, np.asarray(g), d.values) if np.shape(g) == d.values.shape else d.values
        for g, d in zip(run.gradients, reference.derivatives, strict=True)
    ]
    first = subject.differentiated(subject.inputs)[0]
    return diagnose(
        position,
        [np.asarray(g) for g in run.gradients],
        measured,
        subject.arguments,
        len(np.atleast_1d(first)),
    )


def _guarded(name: str, function: Callable[[], Any], handed: dict[str, Any]) -> tuple[Any, list[str]]:
    """call_frozen, with any exception of the layer turned into a Misfit that says where it came from."""
    try:
        with np.errstate(all="ignore"):
            return call_frozen(name, function, handed)
    except Misfit:
        raise
    except Exception as error:
        raise Misfit(f"{name} raises {_words(error)}") from error


def _words(error: Exception) -> str:
    """An exception as one line: its type, its message, and the line of code it came from."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" (line {frames[-1].lineno} of {frames[-1].name})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def _failure(subject: Subject, verdict: str, dtype: str = "float64") -> Row:
    return Row(subject.layer, subject.variant, dtype=dtype, verdict=verdict)


def _dout_names(count: int) -> list[str]:
    return ["dout"] if count == 1 else [f"dout{i}" for i in range(1, count + 1)]


def _named_outputs(outs: list[Any], is_loss: bool) -> list[tuple[str, Array]]:
    if is_loss:
        return [("the loss", np.asarray(outs[0]))]
    return [("out", np.asarray(leaf)) for leaf in flatten(outs) if is_float(leaf)]


def _equal(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind in "fc")
