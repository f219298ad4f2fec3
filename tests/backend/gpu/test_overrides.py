"""Every override of the CuPy backend equals its textbook pair; the kernels run, on the CPU."""

from typing import Any

import numpy as np
import pytest
from cuda_on_cpu import ORDERS, thread_order
from kernel_cases import CASES, LARGER, TOLERANCE, inputs_of, on_device, run, supporting
from strict_cupy import counting

from minicap.arrays import Backend, BackendMissing, Override, get_backend, textbook, to_host, use_backend
from minicap.backend.gpu.overrides import OVERRIDES
from minicap.errors import MinicapError, ShapeError
from minicap.gradcheck.case import Case, Inputs
from minicap.gradcheck.library import all_layers, load_cases

PAIRS = [
    pytest.param(case, dtype, id=f"{case.layer} {case.variant} {dtype}".replace("  ", " "))
    for case in CASES
    for dtype in TOLERANCE
    if case.layer in {o.layer for o in OVERRIDES} and supporting(case, dtype)
]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("case", "dtype"), PAIRS)
def test_an_override_equals_its_textbook_pair(case: Case, dtype: str, order: str, gpu: Backend):
    layer = all_layers()[case.layer]
    with textbook():
        expected = run(layer.forward, layer.backward, inputs_of(case, "float64"), "float64")
    for override in supporting(case, dtype):
        with thread_order(order), counting() as counts:
            got = run(override.forward, override.backward, on_device(inputs_of(case, dtype)), dtype)
        assert not counts.nondeterministic
        assert len(got) == len(expected)
        for ours, theirs in zip(got, expected, strict=True):
            if theirs is None:
                assert ours is None
                continue
            assert isinstance(ours, gpu.array_type)
            assert ours.dtype == dtype
            assert ours.shape == theirs.shape
            atol = TOLERANCE[dtype] * max(1.0, np.abs(theirs).max())
            np.testing.assert_allclose(to_host(ours), theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_every_override_is_reached_by_a_case(dtype: str):
    reached = {override for case in CASES for override in supporting(case, dtype)}
    assert reached == {override for override in OVERRIDES if override.layer in all_layers()}


def spoilt(inputs: Inputs) -> Any:
    """The inputs with one array changed: shorter, with an axis more, of another dtype, or on the host."""
    for name, value in inputs.items():
        if not isinstance(value, np.ndarray):
            continue
        others = {key: on_device(other) for key, other in inputs.items() if key != name}
        for changed in (value[..., :-1], value[None], value.astype(np.float16)):
            yield others | {name: on_device(changed)}
        yield others | {name: value}


@pytest.mark.parametrize(
    "case",
    [case for case in load_cases(large=False) if supporting(case, "float32")],
    ids=lambda case: f"{case.layer} {case.variant}",
)
def test_what_the_textbook_refuses_no_override_takes(case: Case, gpu: Backend):
    layer = all_layers()[case.layer]
    for inputs in spoilt(inputs_of(case, "float32")):
        try:
            with textbook():
                layer.forward(**inputs)
        except MinicapError as error:
            with pytest.raises(type(error)):
                layer.forward(**inputs)
        except Exception:
            continue  # what the textbook does not look at, such as the range of an index on a GPU
        else:
            layer.forward(**inputs)


@pytest.mark.parametrize(
    "override", [o for o in OVERRIDES if o.backward], ids=lambda o: o.forward.__module__ + o.layer
)
def test_a_gradient_of_another_shape_is_refused(override: Override, gpu: Backend):
    case = next(case for case in load_cases(large=False) if override in supporting(case, "float64"))
    *outs, cache = override.forward(**on_device(inputs_of(case, "float64")))
    douts = [gpu.xp.zeros(out.shape) for out in outs]
    for i, dout in enumerate(douts):
        with pytest.raises(ShapeError, match=r"is \(.* but the forward's output is"):
            override.backward(*douts[:i], dout[..., :-1], *douts[i + 1 :], cache)


@pytest.mark.parametrize("case", LARGER, ids=lambda case: f"{case.layer} {case.variant}")
def test_no_bit_depends_on_the_order_of_threads(case: Case, gpu: Backend):
    for override in supporting(case, "float32"):
        results = []
        for order in ORDERS:
            with thread_order(order):
                inputs = on_device(inputs_of(case, "float32"))
                results.append(run(override.forward, override.backward, inputs, "float32"))
        for first, *others in zip(*results, strict=True):
            if first is None:
                continue
            for other in others:
                np.testing.assert_array_equal(to_host(other), to_host(first))


@pytest.mark.gpu
def test_on_a_gpu_every_override_is_right_and_repeats_its_bits(own_backends: None):
    try:
        get_backend("cupy")
    except BackendMissing as missing:
        pytest.skip(str(missing))
    wrong = []
    for case in CASES:
        for override in supporting(case, "float32"):
            layer = all_layers()[case.layer]
            with textbook():
                expected = run(layer.forward, layer.backward, inputs_of(case, "float64"), "float64")
            with use_backend("cupy"):
                runs = [
                    run(override.forward, override.backward, on_device(inputs_of(case, "float32")), "float32")
                    for _ in range(3)
                ]
            for position, (theirs, *ours) in enumerate(zip(expected, *runs, strict=True)):
                if theirs is None:
                    continue
                first, *others = map(to_host, ours)
                error = np.abs(first - theirs).max() / max(1.0, np.abs(theirs).max())
                if not error < TOLERANCE["float32"]:
                    wrong.append(f"{case.layer} {case.variant}, result {position}: error {error:.1e}")
                if not all(np.array_equal(first, other) for other in others):
                    wrong.append(f"{case.layer} {case.variant}, result {position}: runs differ")
    assert not wrong, "\n".join(wrong)
