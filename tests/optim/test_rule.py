import numpy as np
import pytest

from minicap.arrays import Array
from minicap.errors import InputError, ShapeError
from minicap.optim import SGD, Adam, Momentum

SHAPES = {"a": (3, 4), "b": (5,)}


def draw(rng, dtype=np.float64) -> dict[str, Array]:
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in SHAPES.items()}


def test_memory_is_named_after_its_slot_and_parameter(rng):
    rule = Adam()
    rule.step(draw(rng), draw(rng))
    assert {key: array.shape for key, array in rule.arrays().items()} == {
        "m/a": (3, 4),
        "m/b": (5,),
        "v/a": (3, 4),
        "v/b": (5,),
    }


def test_loading_drops_the_memory_from_before(rng):
    rule = Momentum(0.1)
    rule.step(draw(rng), draw(rng))
    rule.load({"v/b": np.ones(5)}, 1)
    assert set(rule.arrays()) == {"v/b"}


def test_memory_of_another_rule_is_refused_and_changes_nothing(rng):
    adam, momentum = Adam(), Momentum(0.1)
    for rule in (adam, momentum):
        rule.step(draw(rng), draw(rng))
    before = {key: array.copy() for key, array in momentum.arrays().items()}
    with pytest.raises(InputError, match=r"Momentum has no slot 'm'; does it belong to another rule\?"):
        momentum.load({"v/a": np.zeros((3, 4)), **adam.arrays()}, 9)
    assert momentum.step_count == 1
    assert all((before[key] == array).all() for key, array in momentum.arrays().items())


def test_memory_that_lacks_a_slot_is_refused(rng):
    momentum, adam = Momentum(0.1), Adam()
    momentum.step(draw(rng), draw(rng))
    with pytest.raises(InputError, match=r"Adam: m/a is missing; does it belong to another rule\?"):
        adam.load(momentum.arrays(), 1)
    assert adam.step_count == 0


def test_a_parameter_without_a_gradient_stays(rng):
    params = draw(rng)
    before = params["b"].copy()
    Adam(0.1, weight_decay=0.5).step(params, {"a": np.ones((3, 4))})
    np.testing.assert_array_equal(params["b"], before)


def test_a_gradient_without_a_parameter_is_named(rng):
    with pytest.raises(InputError, match=r"SGD.step: no parameter is called 'c'"):
        SGD(0.1).step(draw(rng), {"c": np.ones(3)})


def test_a_gradient_of_another_shape_is_refused_before_anything_moves(rng):
    params = draw(rng)
    before = params["a"].copy()
    with pytest.raises(ShapeError, match=r"the gradient of b is \(1, 5\) but the parameter \(5,\)"):
        SGD(0.1).step(params, {"a": np.ones((3, 4)), "b": np.ones((1, 5))})
    np.testing.assert_array_equal(params["a"], before)


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_learning_rate_that_is_not_positive_is_refused(rate):
    with pytest.raises(InputError, match=r"learning_rate is .* but must be a positive number"):
        Adam(rate)


def test_a_negative_weight_decay_is_refused():
    with pytest.raises(InputError, match="weight_decay is -1 but must be a number, at least 0"):
        SGD(0.1, weight_decay=-1)


@pytest.mark.parametrize("l1", [-1.0, float("nan")])
def test_a_negative_l1_penalty_is_refused(l1):
    with pytest.raises(InputError, match=r"SGD: l1 is .* but must be a number, at least 0"):
        SGD(0.1, l1=l1)


def test_the_l1_penalty_pulls_every_weight_towards_zero_alike_and_leaves_zero_alone():
    w = np.array([2.0, -0.5, 0.0])
    SGD(0.1, l1=0.3).step({"w": w}, {"w": np.zeros(3)})
    np.testing.assert_allclose(w, [2 - 0.03, -0.5 + 0.03, 0], rtol=1e-14)


def test_both_penalties_add_to_the_gradient():
    w = np.array([2.0])
    SGD(0.1, weight_decay=0.5, l1=0.3).step({"w": w}, {"w": np.array([1.0])})
    np.testing.assert_allclose(w, 2 - 0.1 * (1 + 0.5 * 2 + 0.3), rtol=1e-14)
