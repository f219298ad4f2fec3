"""Measure a layer's derivatives from its forward alone, without any backward."""

import copy
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array
from minicap.gradcheck.case import Inputs, away_from_zero
from minicap.gradcheck.derivatives import (
    DIRECTION_STEP,
    Derivative,
    along,
    central_differences,
    complex_step,
    step_size,
)
from minicap.gradcheck.exercise import call_guarded, named_outputs, words
from minicap.gradcheck.nested import flatten, is_float, map_leaves
from minicap.gradcheck.subject import Misfit, Subject
from minicap.layers.checks import complex_numbers


class Reference(NamedTuple):
    """What the forward alone determines about the gradients."""

    cotangents: list[Any]  # random upstream gradients, nested like the outputs; for a loss ones
    derivatives: list[Derivative]  # by central differences, one for each argument
    complex_gradients: list[Array] | None  # by the complex step; None where the case is not smooth
    complaint: str  # why the complex step could not run


class Objective(NamedTuple):
    """The number that is differentiated: the sum over the outputs of cotangent times output."""

    change: Callable[[], float]  # the objective now minus what it was before any argument was touched
    arguments: list[Array]  # float64, to be perturbed in place
    magnitude: float  # size of what is summed, for the rounding error
    cotangents: list[Any]  # random, nested like the outputs; for a loss ones


def objective(subject: Subject, seed: int = 0) -> Objective:
    """The subject's objective at its inputs.

    Raises Misfit when an argument is empty, and when the forward cannot be run, is not finite, too large, or
    gives different outputs when called again.
    """
    if not subject.arguments:
        raise Misfit(_nothing_to_differentiate(subject))
    inputs = subject.inputs_as(np.float64)
    for name, array in zip(subject.arguments, subject.differentiated(inputs), strict=True):
        if not array.size:
            raise Misfit(f"{name} is empty {array.shape}, so there is nothing to check")
    name = "forward" if subject.backward else "the loss"
    result, complaints = call_guarded(name, subject.forward, lambda: subject.call(inputs), dict(inputs))
    outs, _ = subject.outputs_and_cache(result)
    for which, out in named_outputs(subject, outs):
        if not np.isfinite(out).all():
            raise Misfit(f"{which} is not finite")
    # Inputs are often drawn with this very seed; were dout drawn alike, a backward that confused them would
    # be right by accident.  Large cases keep the seed, with which no direction of theirs meets a kink.
    rng = np.random.default_rng(seed if subject.directions else [seed, 1])
    cotangents = map_leaves(lambda leaf: _cotangent(rng, leaf, subject.backward is None), outs)
    outputs = _outputs(subject, subject.inputs_as(np.float64), impure=bool(complaints))
    weights, before = _weights(cotangents), [out.copy() for out in outputs.now()]

    def change() -> float:
        return float(
            sum(np.vdot(w, out - o) for w, out, o in zip(weights, outputs.now(), before, strict=True))
        )

    if change() != 0.0:
        raise Misfit(f"{name} gives different outputs when called again with the same inputs; fix its seed")
    with np.errstate(over="ignore"):
        magnitude = float(np.sqrt(sum(np.sum((w * o) ** 2) for w, o in zip(weights, before, strict=True))))
    if not np.isfinite(magnitude):
        raise Misfit("the outputs are so large that their squares overflow; choose smaller inputs")
    return Objective(change, outputs.arguments, magnitude, cotangents)


def measure(subject: Subject, seed: int = 0) -> Reference:
    """Differentiate the forward by central differences and, where it is smooth, by the complex step.

    Raises Misfit as objective does, or when the forward fails at perturbed inputs.
    """
    target = objective(subject, seed)
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        try:
            derivatives = [_differences(target, x, subject.directions, rng) for x in target.arguments]
        except Exception as error:
            raise Misfit(f"forward raises at perturbed inputs: {words(error, subject.forward)}") from error
        with complex_numbers():
            complex_gradients, complaint = _complex_gradients(subject, _weights(target.cotangents))
    return Reference(target.cotangents, derivatives, complex_gradients, complaint)


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
    # A generator advances with every draw, and a forward that writes needs arrays of its own.
    copied = impure or any(isinstance(leaf, np.random.Generator) for leaf in flatten(list(inputs.values())))

    def now() -> list[Array]:
        given = copy.deepcopy(handed) if copied else handed
        outs, _ = subject.outputs_and_cache(subject.call(given))
        return [np.asarray(leaf) for leaf in flatten(outs) if is_float(leaf) or subject.backward is None]

    return _Outputs(now, subject.differentiated(inputs))


def _differences(target: Objective, x: Array, count: int, rng: np.random.Generator) -> Derivative:
    """By every entry of x, or along this many random directions, each of which moves every entry as far."""
    if not count:
        return central_differences(target.change, x, target.magnitude)
    directions = rng.choice([-1.0, 1.0], size=(count, *x.shape))
    with along(target.change, x, directions) as (change, distances):
        step = step_size(x, DIRECTION_STEP)
        derivative = central_differences(change, distances, target.magnitude, step)
    return derivative._replace(directions=directions)


def _complex_gradients(subject: Subject, weights: list[Array]) -> tuple[list[Array] | None, str]:
    """Gradients by the complex step, or why there are none; large arrays have only differences."""
    if not subject.smooth or subject.directions:
        return None, ""
    complaint = ""
    # Masks and running statistics may need the dtype of x, or need to stay real: try both.
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
            said = words(error, subject.forward)
            complaint = complaint or f"cannot run in complex numbers, so it is not smooth: {said}"
    return None, complaint


def _cotangent(rng: np.random.Generator, leaf: Any, is_loss: bool) -> Any:
    """Random numbers away from zero, like an output; for a loss the gradient of its (summed) value, ones."""
    if is_loss:
        return np.ones(np.shape(leaf))
    return np.asarray(away_from_zero(rng, leaf.shape)) if is_float(leaf) else None


def _weights(cotangents: list[Any]) -> list[Array]:
    return [leaf for leaf in flatten(cotangents) if leaf is not None]


def _nothing_to_differentiate(subject: Subject) -> str:
    for name, value in subject.inputs.items():
        numbers = flatten(value)
        if (
            name not in subject.fixed
            and numbers
            and all(isinstance(n, (float, np.floating)) for n in numbers)
        ):
            return (
                f"nothing to differentiate: {name} holds plain numbers; np.array({name}) makes it an argument"
            )
    return "no argument is an array of floats, so there is nothing to differentiate"
