"""All parameters in one launch, equal to the update rules one parameter at a time."""

import gc
from weakref import ref

import numpy as np
import pytest
from cuda_on_cpu import ORDERS, thread_order
from strict_cupy import counting

from minicap.arrays import Backend, textbook, to_device, to_host
from minicap.backend.gpu import updates
from minicap.optim import clip_global_norm
from minicap.optim.rules import RULES, SGD, Momentum

SHAPES = [(3, 4), (1,), (40, 61), (2048,), *[(5,)] * 40]


def draw(rng: np.random.Generator, dtype: str) -> dict[str, np.ndarray]:
    return {f"p{i}": rng.normal(size=shape).astype(dtype) for i, shape in enumerate(SHAPES)}


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", RULES)
def test_three_steps_move_parameters_and_memory_as_the_textbook_does(
    name: str, dtype: str, order: str, gpu: Backend, rng: np.random.Generator
):
    expected, ours = (RULES[name](0.1, weight_decay=0.01) for _ in range(2))
    host = draw(rng, dtype)
    params = {key: to_device(w) for key, w in host.items()}
    for _ in range(3):
        grads = draw(rng, dtype)
        with textbook():
            expected.step(host, grads)
        on_device = {key: to_device(dw) for key, dw in grads.items()}
        with thread_order(order), counting() as counts:
            ours.step(params, on_device)
        assert not counts.stalls
    assert counts.launches == 2  # 44 parameters, 32 a launch
    tolerance = dict(rtol=0, atol=2e-6 if dtype == "float32" else 1e-14)
    for key, w in host.items():
        np.testing.assert_allclose(to_host(params[key]), w, **tolerance)
    for key, memory in expected.arrays().items():
        np.testing.assert_allclose(to_host(ours.arrays()[key]), memory, **tolerance)


def test_parameters_and_memory_that_are_replaced_are_found_anew(gpu: Backend):
    """What is known of the last step holds for its arrays alone: a rule may be loaded, a model too."""
    rule, dw = Momentum(0.1, momentum=0.5), to_device(np.ones(3))
    w = to_device(np.zeros(3))
    rule.step({"w": w}, {"w": dw})
    rule.step({"w": w}, {"w": 2 * dw})
    np.testing.assert_allclose(to_host(w), np.full(3, -0.1 - 0.25), rtol=1e-12)
    rule.load({name: array.copy() for name, array in rule.arrays().items()}, rule.step_count)
    other = to_device(np.zeros(3))
    rule.step({"w": other}, {"w": dw})
    np.testing.assert_allclose(to_host(other), np.full(3, -0.125 - 0.1), rtol=1e-12)
    np.testing.assert_allclose(to_host(w), np.full(3, -0.35), rtol=1e-12)


def test_a_gradient_in_another_order_of_memory_is_left_to_the_textbook_at_every_step(gpu: Backend):
    rule, w = SGD(1.0), to_device(np.zeros((2, 3)))
    rows = np.arange(6.0).reshape(2, 3)
    rule.step({"w": w}, {"w": to_device(rows)})
    rule.step({"w": w}, {"w": to_device(rows.T.copy()).T})
    np.testing.assert_array_equal(to_host(w), -2 * rows)


def test_what_is_known_of_a_rule_is_forgotten_with_it(gpu: Backend):
    rule, w = SGD(0.1), to_device(np.zeros(3))
    rule.step({"w": w}, {"w": w.copy()})
    assert rule in updates._of_rules
    gone = ref(rule)
    del rule
    gc.collect()
    assert gone() is None


def test_a_rule_of_ones_own_takes_its_own_update(gpu: Backend):
    class SignDescent(SGD):
        """w -= lr sign(dw)."""

        def update(self, w, dw, memory):
            w -= self.learning_rate * gpu.xp.sign(dw)

    w = to_device(np.zeros(3))
    SignDescent(0.5).step({"w": w}, {"w": to_device(np.array([2.0, -3.0, 0.0]))})
    np.testing.assert_array_equal(to_host(w), [-0.5, 0.5, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_clipping_takes_three_launches_a_table_and_waits_for_nothing(
    dtype: str, gpu: Backend, rng: np.random.Generator
):
    host = draw(rng, dtype)
    grads = {key: to_device(dw) for key, dw in host.items()}
    expected, expected_norm = clip_global_norm(host, 1.5)
    with counting() as counts:
        clipped, norm = clip_global_norm(grads, 1.5)
    assert not counts.stalls
    assert counts.launches == 7  # two tables of sums, their join, its sum and root; two tables of products
    np.testing.assert_allclose(to_host(norm), expected_norm, rtol=1e-6)
    for key, dw in expected.items():
        np.testing.assert_allclose(to_host(clipped[key]), dw, rtol=1e-5)
    np.testing.assert_array_equal(to_host(grads["p0"]), host["p0"])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf])
def test_gradients_that_are_short_enough_or_not_finite_keep_their_values(
    bad: float | None, dtype: str, gpu: Backend, rng: np.random.Generator
):
    host = draw(rng, dtype)
    if bad is not None:
        host["p1"][0] = bad
    clipped, norm = clip_global_norm({key: to_device(dw) for key, dw in host.items()}, 1.0 if bad else 1e6)
    assert np.isfinite(to_host(norm)) == (bad is None)
    for key, dw in host.items():
        np.testing.assert_array_equal(to_host(clipped[key]), dw)
