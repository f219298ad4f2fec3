"""What is NaN or infinite for the textbook is so for every faster pair: a run that explodes must be seen."""

from typing import Any

import numpy as np
import pytest

from minicap.arrays import Backend, Override, textbook, to_device, to_host, use_backend
from minicap.backend import cpu
from minicap.backend.gpu import overrides as gpu_overrides
from minicap.gradcheck.library import all_layers, load_cases
from minicap.gradcheck.nested import flatten, is_float, map_leaves

VALUES = {"NaN": np.nan, "infinity": np.inf, "minus infinity": -np.inf}
OVERRIDES = [
    pytest.param(override, on, id=f"{on} {override.forward.__module__.rpartition('.')[2]} {override.layer}")
    for on, registry in (("numpy", cpu.OVERRIDES), ("stand-in", gpu_overrides.OVERRIDES))
    for override in registry
    if override.layer in all_layers()
]


def on(backend: Backend | None, values: Any) -> Any:
    return map_leaves(
        lambda leaf: to_device(leaf, backend) if backend and isinstance(leaf, np.ndarray) else leaf, values
    )


def float32(values: Any) -> Any:
    return map_leaves(lambda leaf: leaf.astype(np.float32) if is_float(leaf) else leaf, values)


def spoilt(values: list[Any], number: float) -> Any:
    """The values with one entry of one float array replaced, for each of the arrays; and which it was."""
    for i, value in enumerate(values):
        if is_float(value) and value.size:
            changed = value.copy()
            changed.flat[value.size // 2] = number
            yield i, [*values[:i], changed, *values[i + 1 :]]


def not_finite(result: Any) -> list[Any]:
    return [None if r is None else ~np.isfinite(to_host(r)) for r in flatten(result)]


def check(ours: Any, theirs: Any, what: str) -> None:
    for position, (got, expected) in enumerate(zip(not_finite(ours), not_finite(theirs), strict=True)):
        if expected is not None:
            hidden = np.argwhere(expected & ~got)
            assert not len(hidden), f"{what}: result {position} is finite at {hidden[0].tolist()}"


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize(("override", "where"), OVERRIDES)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy says that it meets such numbers
def test_no_override_hides_it(override: Override, where: str, value: str, request: pytest.FixtureRequest):
    backend = request.getfixturevalue("gpu") if where == "stand-in" else None
    layer = all_layers()[override.layer]
    rng = np.random.default_rng(0)
    for case in load_cases(large=False):
        if case.layer != override.layer:
            continue
        inputs = float32(case.make(np.random.default_rng(0)))
        if not override.supports(**on(backend, inputs)):
            continue
        for i, values in spoilt(list(inputs.values()), VALUES[value]):
            given = dict(zip(inputs, values, strict=True))
            if not override.supports(**on(backend, given)):
                continue
            with textbook(), use_backend("numpy"):
                *expected, cache = flat_pair(layer.forward(**given), layer.is_loss)
            *got, fast_cache = flat_pair(override.forward(**on(backend, given)), layer.is_loss)
            name = f"{case.variant}: {list(inputs)[i]} {value}"
            check(got, expected, f"{name}, forward")
            if layer.is_loss:
                continue
            douts = [rng.normal(size=out.shape).astype(np.float32) for out in expected]
            with textbook(), use_backend("numpy"):
                gradients = layer.backward(*douts, cache)
            check(override.backward(*on(backend, douts), fast_cache), gradients, f"{name}, backward")
        if layer.is_loss:
            continue
        with textbook(), use_backend("numpy"):
            *outs, cache = layer.forward(**inputs)
        *_, fast_cache = override.forward(**on(backend, inputs))
        for i, douts in spoilt(
            [rng.normal(size=out.shape).astype(np.float32) for out in outs], VALUES[value]
        ):
            with textbook(), use_backend("numpy"):
                gradients = layer.backward(*douts, cache)
            check(override.backward(*on(backend, douts), fast_cache), gradients, f"{case.variant}: dout {i}")


def flat_pair(result: Any, is_loss: bool) -> Any:
    return (*flatten(result), None) if is_loss else result
