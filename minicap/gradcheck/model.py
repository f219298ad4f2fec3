"""Check the gradients of a whole model, parameter by parameter."""

import time
from collections.abc import Callable
from dataclasses import replace
from math import inf, isfinite
from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.errors import DtypeError, InputError
from minicap.gradcheck.derivatives import (
    TOLERANCE,
    Derivative,
    central_differences,
    relative_error,
    step_size,
)
from minicap.gradcheck.judge import KINKS_ALLOWED
from minicap.gradcheck.report import OK, Report, Row


def check_model(
    model_loss: Callable[[], tuple[Any, dict[str, Array]]],
    params: dict[str, Array],
    *,
    entries: int = 10,
    step: float | None = None,
    tolerance: float = TOLERANCE,
    seed: int = 0,
    name: str = "model",
) -> Report:
    """Check loss, grads = model_loss() against central differences in the parameters.

    params: named float64 arrays that model_loss reads; they are perturbed in place and restored.
    entries: how many of each array are looked at, drawn with the seed (all, when it has no more).
    step: relative to the largest entry of the array; None for the usual one.  Perturbing a weight of a deep
    network moves many activations, so take a smaller one, 1e-6 say, when too many entries lie at kinks.
    Gradients are compared relative to the largest entry of their whole array.
    Raises DtypeError when a parameter is not float64, InputError when one is read-only and for options that
    cannot be used.
    """
    started = time.perf_counter()
    _require(params, entries, step, tolerance)
    copies = {parameter: array.copy() for parameter, array in params.items()}
    loss, given = model_loss()
    start = float(loss)
    if not isfinite(start):
        return Report([Row(name, verdict=f"the loss is {start}")])
    grads = {key: value if value is None else np.array(value) for key, value in given.items()}
    written = [key for key, array in params.items() if not np.array_equal(array, copies[key])]
    for key in written:
        params[key][...] = copies[key]
    if written:
        wrote = "the loss wrote into this parameter"
        return Report(Row(name, argument=key, verdict=wrote) for key in written)
    unknown = "there is a gradient but no parameter of this name"
    report = Report(Row(name, argument=key, verdict=unknown) for key in grads.keys() - params.keys())
    if float(model_loss()[0]) != start:
        changes = "the loss changes from call to call; fix the seed of dropout and sampling"
        return Report([*report, Row(name, verdict=changes)])

    def change() -> float:
        return float(model_loss()[0]) - start

    rng = np.random.default_rng(seed)
    for key, array in params.items():
        row, gradient = Row(name, argument=key), grads.get(key)
        chosen = np.sort(rng.permutation(array.size)[:entries])
        if problem := _misshapen(gradient, array):
            report.append(replace(row, verdict=problem))
            continue
        h = step_size(array, step)
        derivative = central_differences(change, array, abs(start), h, chosen, tolerance)
        report.append(_judge(row, np.asarray(gradient), derivative, tolerance))
    report.seconds = time.perf_counter() - started
    return report


def _require(params: dict[str, Array], entries: int, step: float | None, tolerance: float) -> None:
    if not isinstance(entries, (int, np.integer)) or entries < 1:
        raise InputError(f"check_model: entries is {entries!r} but must be a whole number, at least 1")
    for option, value in (("step", 1.0 if step is None else step), ("tolerance", tolerance)):
        if not 0 < value < inf:
            raise InputError(f"check_model: {option} is {value} but must be positive")
    for key, array in params.items():
        if not array.flags.writeable:
            raise InputError(f"check_model: {key} is read-only but is perturbed in place; give a copy")
        if array.dtype != np.float64:
            raise DtypeError(
                f"check_model: {key} is {array.dtype} but central differences need float64; "
                "build the model in float64"
            )


def _misshapen(gradient: Array | None, parameter: Array) -> str:
    """What is wrong with a gradient before its numbers are looked at; "" when nothing is."""
    if gradient is None:
        return "there is no gradient for this parameter"
    if gradient.shape != parameter.shape:
        return f"the gradient has shape {gradient.shape} but the parameter {parameter.shape}"
    return "" if np.isfinite(gradient).all() else "the gradient is not finite"


def _judge(row: Row, gradient: Array, derivative: Derivative, tolerance: float) -> Row:
    """The row of a parameter from its gradient and the entries of it that were measured."""
    looked_at = np.isfinite(derivative.values) | derivative.kinks
    counted = looked_at & ~derivative.kinks
    size = max(float(np.abs(gradient).max(initial=0.0)), derivative.noise / tolerance)
    error, worst = relative_error(gradient, derivative.values, counted, size)
    entries, skipped = int(looked_at.sum()), int(derivative.kinks.sum())
    verdicts = [] if error <= tolerance else [f"error {error:.1e} > {tolerance:.0e}"]
    if skipped > KINKS_ALLOWED * entries:
        verdicts.append(f"{skipped} of {entries} entries lie at a kink; try step=1e-6")
    return replace(
        row,
        error=error,
        step=derivative.step,
        worst=worst if counted.any() else None,
        analytic=float(gradient[worst]) if counted.any() else None,
        numeric=float(derivative.values[worst]) if counted.any() else None,
        entries=entries,
        skipped=skipped,
        verdict="; ".join(verdicts) or OK,
    )
