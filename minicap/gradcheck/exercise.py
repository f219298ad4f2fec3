"""Run a forward and its backward as a network would, with everything they are handed frozen."""

import inspect
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from minicap.arrays import Array
from minicap.gradcheck.layouts import Layout, contiguous
from minicap.gradcheck.nested import flatten, is_float, map_leaves
from minicap.gradcheck.purity import call_frozen
from minicap.gradcheck.subject import Misfit, Subject

_HERE = Path(__file__).parent


class Run(NamedTuple):
    outputs: list[tuple[str, Array]]  # of floats, by the names to report
    gradients: list[Any]  # as returned, one for each argument
    complaints: list[str]  # what is wrong with the calls as such


def exercise(subject: Subject, dtype: Any, cotangents: list[Any], layout: Layout = contiguous) -> Run:
    """Forward, then backward from the cotangents, on inputs of the dtype laid out in memory by layout.

    Between the two, the pair runs at another point, which exposes any state kept between calls.
    Raises Misfit when one of them raises, or what they return is not what a pair or a loss returns.
    """
    inputs = subject.inputs_as(dtype, layout=layout)

    def call() -> Any:
        return subject.call(inputs)

    if subject.backward is None:
        _run_elsewhere(subject, dtype, cotangents)
        result, complaints = call_guarded("the loss", subject.forward, call, dict(inputs))
        outs, _ = subject.outputs_and_cache(result)
        gradients = subject.gradients_from(result[1:])
        again = subject.gradients_from(call()[1:]) if not complaints else gradients
    else:
        result, complaints = call_guarded("forward", subject.forward, call, dict(inputs))
        outs, cache = subject.outputs_and_cache(result)
        _run_elsewhere(subject, dtype, cotangents)
        douts = map_leaves(lambda leaf: leaf if leaf is None else layout(leaf.astype(dtype)), cotangents)
        backward = subject.backward
        handed = dict(zip(_dout_names(len(douts)), douts, strict=True)) | {"cache": cache}

        def back() -> tuple[Any, list[str]]:
            return call_guarded("backward", backward, lambda: backward(*douts, cache), handed)

        returned, written = back()
        gradients = [g.copy() if isinstance(g, np.ndarray) else g for g in subject.gradients_from(returned)]
        again = subject.gradients_from(back()[0])
        complaints = complaints + written
    if not all(_equal(a, b) for a, b in zip(gradients, again, strict=True)):
        complaints = [
            *complaints,
            "called a second time with the same arguments, it gives different gradients",
        ]
    outputs = named_outputs(subject, outs)
    for name, out in outputs:
        if out.dtype != dtype:
            complaints = [*complaints, f"{name} is {out.dtype} but the inputs are {np.dtype(dtype)}"]
    return Run(outputs, gradients, complaints)


def _run_elsewhere(subject: Subject, dtype: Any, cotangents: list[Any]) -> None:
    """Run the pair or the loss at another point and forget the result."""
    with suppress(Exception):  # the other point may lie outside the layer's domain; only this one counts
        result = subject.call(subject.elsewhere(dtype))
        if subject.backward is not None:
            _, cache = subject.outputs_and_cache(result)
            subject.backward(
                *map_leaves(lambda leaf: leaf if leaf is None else -2 * leaf.astype(dtype), cotangents), cache
            )


def named_outputs(subject: Subject, outs: list[Any]) -> list[tuple[str, Array]]:
    """The outputs that are numbers, by the names to report."""
    if subject.backward is None:
        return [("the loss", np.asarray(outs[0]))]
    return [("out", np.asarray(leaf)) for leaf in flatten(outs) if is_float(leaf)]


def call_guarded(
    name: str, function: Callable[..., Any], call: Callable[[], Any], handed: dict[str, Any]
) -> tuple[Any, list[str]]:
    """call_frozen(name, call, handed), any exception turned into a Misfit that says where it came from.

    function: what is called, for the words.
    """
    try:
        with np.errstate(all="ignore"):
            return call_frozen(name, call, handed)
    except Misfit:
        raise
    except Exception as error:
        raise Misfit(f"{name} raises {words(error, function)}") from error


def words(error: Exception, source: Callable[..., Any] | str) -> str:
    """An exception as one line: its type, its message, and the line of the source it came from.

    source: a function or a file.  Of the lines on the way the deepest in its own file, where its author can
    act; else the deepest outside the checker; else, for a call that does not fit, the function's first.
    """
    code = None if isinstance(source, str) else getattr(inspect.unwrap(source), "__code__", None)
    own_file = source if isinstance(source, str) else code and code.co_filename
    frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).parent != _HERE]
    own = [frame for frame in frames if frame.filename == own_file]
    place = None
    if frames:
        frame = (own or frames)[-1]
        place = frame.filename, frame.lineno, frame.name
    elif code:
        place = code.co_filename, code.co_firstlineno, code.co_name
    where = ""
    if place:
        file, line, name = place
        where = f" ({Path(file).name}, line {line}{'' if name.startswith('<') else f', in {name}'})"
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def _dout_names(count: int) -> list[str]:
    return ["dout"] if count == 1 else [f"dout{i}" for i in range(1, count + 1)]


def _equal(a: Any, b: Any) -> bool:
    if a is None or b is None:
        return a is b
    return np.array_equal(np.asarray(a), np.asarray(b), equal_nan=np.asarray(a).dtype.kind in "fc")
