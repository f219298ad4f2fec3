"""Every layer, on the strict stand-in for CuPy: it runs there, costs no wait, and gives what NumPy gives."""

from typing import Any

import numpy as np
import pytest
from strict_cupy import counting

from minicap.arrays import Backend, textbook, to_device, to_host
from minicap.gradcheck.case import Case
from minicap.gradcheck.library import all_layers, load_cases, subject_of
from minicap.gradcheck.nested import flatten, map_leaves
from minicap.gradcheck.subject import Subject

CASES = load_cases(large=False)


def run(subject: Subject, dtype: Any, backend: str) -> list[Any]:
    """Outputs and gradients of a case, flat; the upstream gradients are a fixed draw."""
    inputs = move(subject.inputs_as(dtype), backend)
    with textbook(), counting() as counts:
        result = subject.call(inputs)
    assert not counts.stalls, "forward"
    if subject.backward is None:
        return flatten(result)
    *outs, cache = result
    rng = np.random.default_rng(1)
    douts = map_leaves(lambda out: rng.normal(size=out.shape).astype(dtype), outs)
    douts = move(douts, backend)
    with textbook(), counting() as counts:
        gradients = subject.backward(*douts, cache)
    assert not counts.stalls, "backward"
    return [*flatten(outs), *subject.aligned(gradients)]


def move(values: Any, backend: str) -> Any:
    return map_leaves(lambda leaf: to_device(leaf, backend) if isinstance(leaf, np.ndarray) else leaf, values)


def name(case: Case) -> str:
    return f"{case.layer} {case.variant}".strip()


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_layer_gives_what_numpy_gives_and_never_waits(case: Case, strict_cupy: Backend):
    layer = all_layers()[case.layer]
    expected = run(subject_of(case, layer), np.float64, "numpy")
    got = run(subject_of(case, layer), np.float64, "strict-cupy")
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        assert isinstance(ours, strict_cupy.array_type)
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(to_host(ours), theirs, rtol=0, atol=1e-12 * max(1, np.abs(theirs).max()))


@pytest.mark.parametrize("case", CASES, ids=name)
def test_a_layer_keeps_float32(case: Case, strict_cupy: Backend):
    subject = subject_of(case, all_layers()[case.layer])
    for array in run(subject, np.float32, "strict-cupy"):
        assert array.dtype == np.float32
        assert np.isfinite(to_host(array)).all()


def test_every_layer_has_a_case():
    assert {case.layer for case in CASES} == set(all_layers())
