"""Every faster pair for NumPy arrays, found in the registry, gives what its textbook pair gives."""

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from override_strategies import all_strategies

from minicap.arrays import textbook
from minicap.backend.cpu import OVERRIDES
from minicap.gradcheck.library import all_layers
from minicap.gradcheck.nested import arrays_in, flatten, is_float, map_leaves

TOLERANCE = {np.float64: 1e-11, np.float32: 3e-5}  # of the largest value expected, or of 1
STRATEGIES = all_strategies()
# Update rules run their own bodies; tests/backend/cpu/test_updates.py is about them.
FLOAT32_ONLY = {("gelu", "gelu_forward")}
KEYS = {(o.layer, o.forward.__name__): o for o in OVERRIDES if not o.layer.endswith(".update")}


@pytest.fixture(autouse=True)
def nothing_is_measured(monkeypatch):
    monkeypatch.setenv("MINICAP_AUTOTUNE", "0")


def reordered(value, orders):
    """The arrays of more than one axis in the memory order they were drawn in, or copied into any other one.

    The logical arrays stay the same.
    """

    def reorder(leaf):
        if not (isinstance(leaf, np.ndarray) and leaf.ndim > 1):
            return leaf
        order = orders.draw(st.one_of(st.none(), st.permutations(range(leaf.ndim))))
        if order is None:
            return leaf
        return np.ascontiguousarray(leaf.transpose(order)).transpose(np.argsort(order))

    return map_leaves(reorder, value)


def cast(value, dtype):
    return map_leaves(lambda leaf: leaf.astype(dtype, order="K") if is_float(leaf) else leaf, value)


def frozen(value):
    for _, array in arrays_in(value):
        array.flags.writeable = False
    return value


def run(layer, inputs, orders):
    """All outputs and gradients of a layer, flat.  The upstream gradients are the same at every call."""
    if layer.is_loss:
        return flatten(layer.forward(**inputs))
    *outs, cache = layer.forward(**inputs)
    rng = np.random.default_rng(1)
    douts = map_leaves(lambda out: rng.normal(size=out.shape).astype(out.dtype), outs)
    douts = frozen(reordered(douts, orders))
    return [*flatten(outs), *flatten(layer.backward(*douts, frozen(cache)))]


@pytest.mark.parametrize("key", KEYS, ids=" ".join)
def test_an_override_has_a_strategy(key):
    assert key in STRATEGIES, f"write one in tests/override_strategies for {key}"


def test_a_strategy_has_an_override():
    assert set(STRATEGIES) <= set(KEYS)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("key", [key for key in KEYS if key in STRATEGIES], ids=" ".join)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_an_override_equals_its_textbook_pair(key, dtype, data):
    if key in FLOAT32_ONLY and dtype is np.float64:
        pytest.skip(f"{key[0]} of float64 is left to the textbook")
    override, layer = KEYS[key], all_layers()[key[0]]
    inputs = frozen(reordered(cast(data.draw(STRATEGIES[key]), dtype), data))
    assume(override.supports(**inputs))
    fast = layer._replace(forward=override.forward, backward=override.backward)
    got = run(fast, inputs, data)
    with textbook():
        expected = run(layer, inputs, data)
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        if theirs is None:
            assert ours is None
            continue
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        atol = TOLERANCE[dtype] * max(1, abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)
