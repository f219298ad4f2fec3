"""Check the gradients of a whole model, parameter by parameter."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from minicap.arrays import Array
from minicap.errors import DtypeError
from minicap.gradcheck.derivatives import TOLERANCE, central_differences, relative_error, step_size
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
    Raises DtypeError when a parameter is not float64.
    """
    for parameter, array in params.items():
        if array.dtype != np.float64:
            raise DtypeError(
                f"check_model: {parameter} is {array.dtype} but central differences need float64; "
                "build the model in float64"
            )
    started = time.perf_counter()
    copies = {parameter: array.copy() for parameter, array in params.items()}
    loss, grads = model_loss()
    start = float(loss)
    grads = {key: value if value is None else np.array(value) for key, value in grads.items()}
    report = Report()

    def fail(verdict: str, argument: str = "") -> None:
        report.append(Row(name, "", argument, verdict=verdict))

    for parameter, array in params.items():
        if not np.array_equal(array, copies[parameter]):
            array[...] = copies[parameter]
            fail("the loss wrote into this parameter", parameter)
    if report:
        return report
    for key in grads.keys() - params.keys():
        fail("there is a gradient but no parameter of this name", key)
    if float(model_loss()[0]) != start:
        fail("the loss changes from call to call; fix the seed of dropout and sampling")
        return report

    rng = np.random.default_rng(seed)
    for parameter, array in params.items():
        chosen = np.sort(rng.permutation(array.size)[:entries])
        gradient = grads.get(parameter)
        if gradient is None:
            fail("there is no gradient for this parameter", parameter)
        elif gradient.shape != array.shape:
            fail(f"the gradient has shape {gradient.shape} but the parameter {array.shape}", parameter)
        elif not np.isfinite(gradient).all():
            fail("the gradient is not finite", parameter)
        else:
            h = step_size(array, step)
            derivative = central_differences(
                lambda: float(model_loss()[0]) - start, array, abs(start), h, chosen, tolerance
            )
            counted = np.isfinite(derivative.values) & ~derivative.kinks
            largest = float(np.abs(gradient).max())
            error, worst = relative_error(
                gradient, derivative.values, counted, max(largest, derivative.noise / tolerance)
            )
            skipped = int(derivative.kinks.sum())
            verdicts = [] if error <= tolerance else [f"error {error:.1e} > {tolerance:.0e}"]
            if skipped > KINKS_ALLOWED * len(chosen):
                verdicts.append(f"{skipped} of {len(chosen)} entries lie at a kink; try step=1e-6")
            report.append(
                Row(
                    name,
                    "",
                    parameter,
                    error=error,
                    step=derivative.step,
                    worst=worst if counted.any() else None,
                    analytic=float(gradient[worst]) if counted.any() else None,
                    numeric=float(derivative.values[worst]) if counted.any() else None,
                    entries=len(chosen),
                    skipped=skipped,
                    verdict="; ".join(verdicts) or OK,
                )
            )
    report.seconds = time.perf_counter() - started
    return report
